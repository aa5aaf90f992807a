"""The page of a sweep by keyboard and by axe; needs Chromium and its driver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp.runs.folder import RunFolder
from tests.report.browser import check_access, opened
from tests.run_folders import kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_it_opens_cleanly_and_can_be_used_by_all(browser, done: Path, width: int, dark: bool):
    check_access(browser, done / "report.html", width=width, dark=dark)


def test_tables_are_sorted_by_keyboard(browser, done: Path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = opened(browser, done / "report.html")

    def sizes() -> list[int]:
        rows = page.find_elements(By.CSS_SELECTOR, "#cells ~ .scroll table.sortable tbody tr")
        return [int(row.find_elements(By.TAG_NAME, "td")[1].text) for row in rows]

    assert sizes() == [2, 6, 2, 6]
    head = page.find_elements(By.CSS_SELECTOR, "#cells ~ .scroll thead th")[2]
    button = head.find_element(By.TAG_NAME, "button")
    page.execute_script("arguments[0].focus()", button)
    for order, expected in (("ascending", [2, 2, 6, 6]), ("descending", [6, 6, 2, 2])):
        page.switch_to.active_element.send_keys(Keys.ENTER)
        assert head.get_attribute("aria-sort") == order
        assert sizes() == expected


def test_the_picker_shows_another_cell_by_keyboard(browser, done: Path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = opened(browser, done / "report.html")
    cell = kept(RunFolder(done).cell_path("layer05-size006-seed0"))
    assert cell is not None

    def shown() -> list[float]:
        below = page.find_elements(By.CSS_SELECTOR, "[data-text='0'] rt")
        return [float(one.get_attribute("textContent").replace("\u2212", "-")) for one in below]

    for name, value in (("layer", "5"), ("size", "6")):
        page.find_element(By.NAME, name).send_keys(value)
    status = page.find_element(By.ID, "picked")
    assert status.text == "Layer 5 (block 4), size 6, seed 0, through"
    np.testing.assert_allclose(shown(), cell["examples"][0]["through"], atol=6e-4)
    page.find_element(By.CSS_SELECTOR, "input[value=through]").send_keys(Keys.ARROW_RIGHT)
    assert status.text.endswith("around")
    np.testing.assert_allclose(shown(), cell["examples"][0]["around"], atol=6e-4)
    assert not np.allclose(cell["examples"][0]["around"], cell["examples"][0]["through"], atol=1e-3)
    after = page.find_element(By.CSS_SELECTOR, "[data-swap='0'] .after").text.replace("\u2212", "-")
    assert float(after) == pytest.approx(cell["examples"][0]["swap"]["counterfactual"], abs=6e-4)

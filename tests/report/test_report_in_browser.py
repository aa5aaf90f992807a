"""The page of a sweep by keyboard and by axe; needs Chromium and its driver."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp.runs.folder import RunFolder
from tests.report.browser import check_access, check_page, opened
from tests.run_folders import kept

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_it_opens_cleanly_and_can_be_used_by_all(browser, done: Path, width: int, dark: bool):
    check_access(browser, done / "report.html", width=width, dark=dark)
    browser.execute_script("document.querySelector('#unfold').click()")
    for answer in browser.find_elements("css selector", "details.answer"):
        browser.execute_script("arguments[0].open = true", answer)
    assert browser.execute_script("return document.querySelectorAll('details:not([open])').length") == 0
    check_page(browser, width=width)


def test_tables_are_sorted_by_keyboard(browser, done: Path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = opened(browser, done / "report.html")
    page.find_element(By.ID, "unfold").click()

    def sizes() -> list[int]:
        rows = page.find_elements(By.CSS_SELECTOR, "#cells table.sortable tbody tr")
        return [int(row.find_elements(By.TAG_NAME, "td")[1].text) for row in rows]

    assert sizes() == [2, 6, 2, 6]
    head = page.find_elements(By.CSS_SELECTOR, "#cells thead th")[2]
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
    page.find_element(By.ID, "unfold").click()
    cell = kept(RunFolder(done).cell_path("layer05-size006-seed0"))
    assert cell is not None

    def shown() -> list[float]:
        below = page.find_elements(By.CSS_SELECTOR, "[data-text='0'] rt")
        return [float(element.get_attribute("textContent").replace("\u2212", "-")) for element in below]

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


def test_the_heatmap_selects_a_cell_by_keyboard(browser, done: Path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = opened(browser, done / "report.html")
    buttons = {
        element.get_attribute("data-cell"): element
        for element in page.find_elements(By.CSS_SELECTOR, "table.heat button")
    }
    assert set(buttons) == {"4/2", "4/6", "5/2", "5/6"}

    def pressed() -> list[str]:
        return [name for name, button in buttons.items() if button.get_attribute("aria-pressed") == "true"]

    (first,) = pressed()
    assert [name for name, button in buttons.items() if button.get_attribute("tabindex") == "0"] == [first]
    assert page.find_element(By.ID, "cell").text.startswith(f"Layer {first[0]}, size {first[2]} (chosen): IIA ")
    page.execute_script("arguments[0].focus()", buttons[first])
    layer, size = ("5" if first[0] == "4" else "4"), ("6" if first[2] == "2" else "2")
    across, along = (
        (Keys.ARROW_RIGHT if layer == "5" else Keys.ARROW_LEFT),
        (Keys.ARROW_UP if size == "6" else Keys.ARROW_DOWN),
    )
    for key in (across, along, Keys.ENTER):
        page.switch_to.active_element.send_keys(key)
    assert pressed() == [f"{layer}/{size}"]
    cell = kept(RunFolder(done).cell_path(f"layer0{layer}-size00{size}-seed0"))
    assert cell is not None
    text = page.find_element(By.ID, "cell").text
    assert text.startswith(f"Layer {layer}, size {size}: IIA {100 * cell['measures']['iia']:.1f}")
    page.find_element(By.ID, "unfold").click()
    assert page.find_element(By.ID, "picked").text.startswith(f"Layer {layer} (block {int(layer) - 1}), size {size}")


def test_the_heatmap_shows_the_measure_that_is_selected(browser, done: Path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    page = opened(browser, done / "report.html")
    cell = kept(RunFolder(done).cell_path("layer05-size006-seed0"))
    assert cell is not None
    button = page.find_element(By.CSS_SELECTOR, "[data-cell='5/6']")
    assert button.text.lstrip("\u2605 ") == f"{100 * cell['measures']['iia']:.1f}"
    before = button.value_of_css_property("background-color")
    Select(page.find_element(By.ID, "measure")).select_by_visible_text("Preference accuracy of the model (%)")
    assert button.text.lstrip("\u2605 ") == f"{100 * cell['measures']['preference']:.1f}"
    assert (
        page.find_element(By.CSS_SELECTOR, "table.heat caption")
        .get_attribute("textContent")
        .startswith("Preference accuracy")
    )
    assert button.value_of_css_property("background-color") != before


def test_a_link_into_a_closed_section_opens_it(browser, done: Path):
    page = opened(browser, (done / "report.html").absolute().as_uri() + "#terms")
    assert page.execute_script("return document.querySelector('#terms').open")
    assert not page.execute_script("return document.querySelector('#cells').open")

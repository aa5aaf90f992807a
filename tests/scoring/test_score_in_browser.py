"""Tests of the page of scores with the keyboard and with axe; they need Chromium and its driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.browser import check_access, opened
from tests.scoring.tables import DECORATIVE, MISSING, ROWS, UNREADABLE

pytestmark = pytest.mark.slow
COUNT = len(ROWS) - len(MISSING + UNREADABLE + DECORATIVE)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_it_opens_cleanly_and_can_be_used_by_all(browser, scored: Path, width: int, dark: bool):
    check_access(browser, scored / "scores.html", width=width, dark=dark)


def test_the_list_is_ordered_and_filtered_by_keyboard(browser, scored: Path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    page = opened(browser, scored / "scores.html")

    def rows() -> list[int]:
        articles = page.find_elements(By.CSS_SELECTOR, "#list article")
        return [int(article.get_attribute("data-row")) for article in articles if article.is_displayed()]

    worst_first = rows()
    assert len(worst_first) == COUNT
    order = page.find_element(By.NAME, "order")
    order.send_keys("highest")
    assert rows() == worst_first[::-1]
    Select(order).select_by_visible_text("as in the table")
    assert rows() == sorted(worst_first)
    Select(page.find_element(By.NAME, "show")).select_by_value("cut")
    assert rows() == [9]
    assert page.find_element(By.ID, "count").text == f"1 of {COUNT} texts"
    Select(page.find_element(By.NAME, "show")).select_by_value("")
    page.find_element(By.NAME, "letters").send_keys("BLAUE")
    assert rows() == [4]


def test_texts_from_right_to_left_stand_at_the_right(browser, scored: Path):
    page = opened(browser, scored / "scores.html")
    for row, expected in ((13, "rtl"), (2, "ltr")):
        script = f"return getComputedStyle(document.querySelector('[data-row=\"{row}\"] p.text')).direction"
        assert page.execute_script(script) == expected
        assert page.execute_script(script.replace("p.text", "p:has(ruby)")) == expected

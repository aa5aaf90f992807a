"""The page for participants: by keyboard, for a screen reader, without a network, and with nothing lost."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.report.browser import check_page, chromium, opened, requested
from tests.training.studies.participant import enter, fill_in, keys_of, open_again, outline, press, save, without_times
from training.studies.analysis import ALL, CHOSEN, study_numbers
from training.studies.design import Study
from training.studies.forms_page import write_forms
from training.studies.language import load_words
from training.studies.responses import read_responses
from training.studies.simulation import Readers, simulate, true_preferences

pytestmark = pytest.mark.slow


_SEEDS = count()


@pytest.fixture
def study(make_study) -> Study:
    """Return another study for each test: all files share the storage of the browser, but studies do not."""
    return make_study(n=60, items=6, people=8, each=6, checks=1, repeats=1, seed=next(_SEEDS))


@pytest.fixture
def pages(study: Study, tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    write_forms(study, load_words("en"), folder, text_language="en")
    return folder


def page_of(pages: Path, study: Study, number: int) -> Path:
    return pages / f"form-{study.forms[number].name}.html"


def test_two_people_answer_by_keyboard_and_their_files_say_what_they_chose(
    browser: Any, study: Study, pages: Path, tmp_path: Path
):
    requested(browser)
    responses = [response for response in simulate(study, Readers("updated", 0.7), 0) if response.code in _two(study)]
    for response in responses:
        form = study.form_of[response.code]
        path = fill_in(browser, pages / f"form-{form.name}.html", form, response, tmp_path)
        kept = response.save(tmp_path / "expected")
        assert without_times(path) == without_times(kept)
    assert all(address.startswith(("file:", "blob:", "data:")) for address in requested(browser))
    saved, _, problems = read_responses([str(tmp_path)], study)
    assert (len(saved), problems) == (2, [])


def _two(study: Study) -> list[str]:
    return [study.forms[0].codes[0], study.forms[1].codes[-1]]


BANNER = """\
banner
  group Display
    button Smaller text
    button Larger text
    button Dark colours
  status"""
SCALE = "radio 1, not at all; radio 2, a little; radio 3, partly; radio 4, mostly; radio 5, fully"
BUTTONS = "button Back; button Next; button Stop here and save"


def lines(*parts: str) -> list[str]:
    return [line.strip() for part in parts for line in part.replace("; ", "\n").splitlines()]


def seen(browser: Any) -> list[str]:
    """Return the outline as soon as an element has the focus, which reaches the tree with a delay."""
    for _ in range(20):
        lines = [line.strip() for line in outline(browser).splitlines()]
        if any("focused" in line.split() for line in lines):
            break
        time.sleep(0.05)
    return lines


def shows(browser: Any, line: str) -> bool:
    """Return whether the outline has a line within a few seconds, since the tree follows the page with a delay."""
    end = time.monotonic() + 5
    while line not in (outlined := seen(browser)) and time.monotonic() < end:
        time.sleep(0.05)
    return line in outlined


def test_a_screen_reader_finds_everything_on_every_screen(browser: Any, study: Study, pages: Path):
    words, form = load_words("en"), study.forms[0]
    page = page_of(pages, study, 0)
    opened(browser, page)
    assert seen(browser) == [
        *lines(BANNER, "main"),
        "heading 1 focused Comparing texts for images",
        "heading 2 Information and consent",
        *(f"paragraph {part}" for part in words["consent"].split("\n\n")),
        f"paragraph {words['privacy']}",
        f"checkbox {words['agree']}",
        "textbox Your participant code",
        "paragraph It was given to you together with this page, for example A1-AB12.",
        "button Start",
    ]
    press(browser, Keys.TAB, Keys.SPACE, Keys.TAB, form.codes[0], Keys.ENTER)
    assert seen(browser) == [
        *lines(BANNER, "main"),
        "heading 1 focused How it works",
        *(f"paragraph {part}" for part in words["instructions"].replace("{n}", "8").replace("{i}", "6").split("\n\n")),
        "button Continue",
    ]
    press(browser, Keys.TAB, Keys.ENTER)
    for number, screen in enumerate(form.screens, 1):
        head = [*lines(BANNER, "main"), f"heading 1 focused Screen {number} of 8", f"progressbar Screen {number} of 8"]
        choice = words["choice"]
        if screen.kind == "check":
            texts, article = ["This is not an alt text."] * 2, []
            choice = words[f"check_{('first', 'second')[screen.first]}"]
        else:
            item = study.by_key[screen.item]
            texts = [item.texts[screen.first], item.texts[1 - screen.first]]
            article = ["heading 2 Article in which the image appears", f"paragraph {item.context}"]
        questions = []
        if screen.rated is not None:
            place = ("first", "second")[int(screen.rated != screen.first)]
            questions += lines(f"group Questions about the {place} text; heading 2 Questions about the {place} text")
            for question in words["questions"].values():
                questions += [f"group {question}", *lines(SCALE)]
        assert seen(browser) == [
            *head,
            *article,
            "heading 2 Two texts for this image",
            *lines("region First text; heading 3 First text"),
            f"paragraph {texts[0]}",
            *lines("region Second text; heading 3 Second text"),
            f"paragraph {texts[1]}",
            f"group {choice}",
            *lines("radio The first text; radio The second text"),
            *questions,
            *lines(BUTTONS),
        ]
        keys = [Keys.TAB, Keys.SPACE] * (5 if screen.rated is not None else 1)
        press(browser, *keys, Keys.TAB, Keys.TAB, Keys.ENTER)
    assert seen(browser) == [
        *lines(BANNER, "main"),
        *lines("heading 1 focused Thank you; paragraph You have answered all 8 screens."),
        *lines("button Save your answers as a file; button Go back to the images; status"),
        *lines("group; DisclosureTriangle If no file was saved: your answers as text to copy"),
        "button Delete my answers from this browser",
    ]


def test_no_fault_of_access_on_any_screen_in_any_light(browser: Any, study: Study, pages: Path):
    for width, dark in ((1280, False), (390, True)):
        page = page_of(pages, study, 2)
        opened(browser, page, width=width, dark=dark)
        check_page(browser, width=width)
        press(browser, Keys.TAB, Keys.SPACE, Keys.TAB, "wrong", Keys.ENTER)
        check_page(browser, width=width)
        press(browser, *[Keys.BACKSPACE] * 5, study.forms[2].codes[0], Keys.ENTER, Keys.TAB, Keys.ENTER)
        for _ in range(4):
            browser.find_element(By.ID, "larger").click()
        check_page(browser, width=width)  # in letters of 250 %
        browser.find_element(By.XPATH, "//button[text()='Next']").click()
        check_page(browser, width=width)
        browser.find_element(By.XPATH, "//button[text()='Stop here and save']").click()
        check_page(browser, width=width)


def test_what_is_missing_is_asked_for(browser: Any, study: Study, pages: Path):
    form = study.forms[3]
    opened(browser, page_of(pages, study, 3))
    press(browser, Keys.TAB, Keys.TAB, form.codes[0], Keys.ENTER)
    assert shows(browser, "alert Please tick that you agree, or close this page.")
    assert shows(browser, "checkbox focused I have read this information and agree to take part.")
    press(browser, Keys.SPACE, Keys.TAB, "X", Keys.ENTER)
    assert any(line.startswith("alert This code does not belong to this page.") for line in seen(browser))
    press(browser, Keys.BACKSPACE, form.codes[0], Keys.ENTER, Keys.TAB, Keys.ENTER)
    press(browser, Keys.TAB, Keys.SPACE, Keys.ENTER)
    question = load_words("en")["questions"]["overall"]
    assert shows(browser, f"alert Please answer before you go on: {question}")
    assert shows(browser, "radio focused 1, not at all")


def test_nothing_is_lost_when_the_browser_is_closed_half_way(study: Study, pages: Path, tmp_path: Path):
    form, profile = study.forms[0], tmp_path / "profile"
    code = form.codes[0]
    (response,) = simulate(study, Readers("updated", 0.7), 5, [code])
    page = page_of(pages, study, 0)
    half = len(form.screens) // 2
    with chromium(profile) as first:
        enter(first, page, code)
        for answer in response.answers[:half]:
            press(first, *keys_of(answer), Keys.TAB, Keys.TAB, Keys.ENTER)
        press(first, *keys_of(response.answers[half]))  # and not on to the next screen
    with chromium(profile) as second:
        opened(second, page)
        assert (
            lines(f"heading 1 focused Welcome back; paragraph Answers by {code} are in this browser.")
            == seen(second)[7:9]
        )
        press(second, Keys.TAB, Keys.ENTER)
        assert shows(second, f"heading 1 focused Screen {half + 1} of {len(form.screens)}")
        second.find_element(By.XPATH, "//button[text()='Next']").send_keys(Keys.ENTER)
        for answer in response.answers[half + 1 :]:
            press(second, *keys_of(answer), Keys.TAB, Keys.TAB, Keys.ENTER)
        path = save(second, tmp_path, code)
        assert without_times(path) == without_times(response.save(tmp_path / "expected"))
        second.find_element(By.XPATH, "//button[text()='Delete my answers from this browser']").send_keys(Keys.ENTER)
        assert shows(second, "heading 1 focused Delete the answers?")
        press(second, Keys.TAB, Keys.ENTER)  # no
        assert shows(second, "heading 1 focused Thank you")
        second.find_element(By.XPATH, "//button[text()='Delete my answers from this browser']").send_keys(Keys.ENTER)
        press(second, Keys.TAB, Keys.TAB, Keys.ENTER)
        assert shows(second, "status The answers were deleted from this browser.")
        assert second.execute_script("return localStorage.length") == 0
        opened(second, page)
        assert shows(second, "heading 1 focused Comparing texts for images")


def test_two_people_on_one_computer_keep_apart(browser: Any, study: Study, pages: Path):
    form = study.forms[1]
    code, other = form.codes[:2]
    responses = {each.code: each for each in simulate(study, Readers("updated", 0.7), 3)}
    page = page_of(pages, study, 1)
    enter(browser, page, code)
    press(browser, *keys_of(responses[code].answers[0]), Keys.TAB, Keys.TAB, Keys.ENTER)
    open_again(browser, page)
    press(browser, Keys.TAB, Keys.TAB, Keys.ENTER)  # another code
    press(browser, Keys.TAB, Keys.SPACE, Keys.TAB, other, Keys.ENTER, Keys.TAB, Keys.ENTER)
    assert shows(browser, f"heading 1 focused Screen 1 of {len(form.screens)}")
    assert not any("checked" in line.split() for line in seen(browser))
    press(browser, *keys_of(responses[other].answers[0]))
    open_again(browser, page)
    press(browser, Keys.TAB, Keys.TAB, Keys.ENTER, Keys.TAB, Keys.SPACE, Keys.TAB, code, Keys.ENTER)
    assert shows(browser, f"heading 1 focused Screen 2 of {len(form.screens)}")


def test_an_older_tab_does_not_overwrite_a_newer_one(browser: Any, study: Study, pages: Path):
    form, page = study.forms[2], page_of(pages, study, 2)
    (response,) = simulate(study, Readers("updated", 0.7), 4, [form.codes[0]])
    enter(browser, page, response.code)
    older = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        open_again(browser, page)
        press(browser, Keys.TAB, Keys.ENTER)  # continue
        for answer in response.answers[:3]:
            press(browser, *keys_of(answer), Keys.TAB, Keys.TAB, Keys.ENTER)
    finally:
        browser.close()
        browser.switch_to.window(older)
    assert shows(browser, f"heading 1 Screen 4 of {len(form.screens)}")
    assert shows(browser, f"status {load_words('en')['elsewhere']}")


@pytest.mark.parametrize(
    "kept", ['{"place": 999, "answers": 3}', "[]", "7", '{"place": 2, "answers": {"0": {"choice": "x"}}}', "{"]
)
def test_damaged_answers_in_the_browser_are_left_out(browser: Any, study: Study, pages: Path, kept: str):
    form, page = study.forms[3], page_of(pages, study, 3)
    code = form.codes[0]
    name = f"study-{study.id}-{form.name}"
    browser.execute_script("localStorage.setItem(arguments[0], arguments[1])", f"{name}-{code}", kept)
    browser.execute_script("localStorage.setItem(arguments[0], JSON.stringify(arguments[1]))", name, code)
    opened(browser, page)
    assert any(line.startswith("heading 1") for line in seen(browser))
    enter(browser, page, code) if kept == "{" else press(browser, Keys.TAB, Keys.ENTER)
    assert any(line.startswith("heading 1") for line in seen(browser))
    assert browser.get_log("browser") == []


def test_texts_that_try_to_be_more_than_text_are_text(browser: Any, make_study, tmp_path: Path):
    from dataclasses import replace

    study = make_study(n=30, items=3, people=8, each=3, checks=0, repeats=0)
    harm = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'> {n} \u2028 "
    items = tuple(replace(item, texts=(f"{harm}0", f"{harm}1"), context=harm) for item in study.items)
    hostile = replace(study, items=items).named()
    (page, *_) = write_forms(hostile, load_words("de"), tmp_path, text_language="en")
    enter(browser, page, hostile.forms[0].codes[0])
    assert browser.execute_script("return window.broken") is None
    texts = browser.find_elements(By.CSS_SELECTOR, "p.text")
    first = hostile.forms[0].screens[0].first
    assert [element.get_attribute("textContent") for element in texts] == [harm, f"{harm}{first}", f"{harm}{1 - first}"]
    assert [element.get_attribute("lang") for element in texts] == ["en"] * 3
    assert browser.execute_script("return document.documentElement.lang") == "de"
    assert browser.find_element(By.CSS_SELECTOR, "h1").text == "Seite 1 von 3"


@pytest.mark.thorough
def test_24_people_by_keyboard(browser: Any, make_study, tmp_path: Path):
    """The analysis of their files equals that of `study simulate`, and the interval holds the true preference."""
    study = make_study(n=200, items=20, people=24, each=20)
    pages = write_forms(study, load_words("en"), tmp_path / "pages", text_language="en")
    readers = Readers("updated", 0.7)
    responses = simulate(study, readers, 11)
    for response in responses:
        form = study.form_of[response.code]
        fill_in(browser, pages[0].with_name(f"form-{form.name}.html"), form, response, tmp_path)
    saved, _, problems = read_responses([str(tmp_path)], study)
    assert problems == []
    by_keyboard, by_file = study_numbers(study, saved), study_numbers(study, responses)
    timed = "seconds"
    assert [number for number in by_keyboard if timed not in number.measure] == [
        number for number in by_file if timed not in number.measure
    ]
    (updated,) = [
        number for number in by_keyboard if (number.of, number.metric, number.measure) == (ALL, "updated", CHOSEN)
    ]
    assert updated.low <= true_preferences(study, readers)["updated"] <= updated.high

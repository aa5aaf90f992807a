"""A participant with a keyboard only, for study pages in a browser."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.report.browser import opened
from training.studies.design import Form
from training.studies.responses import Answer, Response

_PATIENCE = 10.0  # maximum seconds of a download


_PAINTED = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"


def press(browser: Any, *keys: str) -> None:
    """Press keys in turn; after each Enter, wait until the page has painted the result."""
    start = 0
    for end, key in enumerate(keys, 1):
        if key == Keys.ENTER or end == len(keys):
            ActionChains(browser).send_keys(*keys[start:end]).perform()
            browser.execute_async_script(_PAINTED)
            start = end


def open_again(browser: Any, page: Path) -> None:
    """Open a page with stored answers; Chromium can take a moment to pass storage to a new page."""
    end = time.monotonic() + _PATIENCE
    opened(browser, page)
    while not browser.title.startswith("Welcome back"):
        assert time.monotonic() < end, browser.title
        time.sleep(0.1)
        opened(browser, page)


def enter(browser: Any, page: Path, code: str) -> None:
    """Open the page, consent, and continue to the first screen."""
    opened(browser, page)
    if browser.title.startswith("Welcome back"):  # answers of another participant are stored
        press(browser, Keys.TAB, Keys.TAB, Keys.ENTER)
    press(browser, Keys.TAB, Keys.SPACE, Keys.TAB, code.lower(), Keys.ENTER)
    press(browser, Keys.TAB, Keys.ENTER)


def keys_of(answer: Answer) -> list[str]:
    """Return the keys that give an answer, from the heading of a screen to its last question."""
    keys = [Keys.TAB, Keys.SPACE] + [Keys.ARROW_DOWN] * (answer.choice == "second")
    for rating in answer.ratings.values():
        keys += [Keys.TAB, Keys.SPACE] + [Keys.ARROW_DOWN] * (rating - 1)
    return keys


def fill_in(browser: Any, page: Path, form: Form, response: Response, folder: Path) -> Path:
    """Answer every screen as in a response, save the file, and return the file."""
    enter(browser, page, response.code)
    assert len(response.answers) == len(form.screens)
    for answer in response.answers:
        press(browser, *keys_of(answer), Keys.TAB, Keys.TAB, Keys.ENTER)
    return save(browser, folder, response.code)


def save(browser: Any, folder: Path, code: str) -> Path:
    """Save the answers from the last screen."""
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    press(browser, Keys.TAB, Keys.ENTER)
    path, end = folder / f"answers-{code}.json", time.monotonic() + _PATIENCE
    while not path.exists():
        assert time.monotonic() < end, "nothing was saved"
        time.sleep(0.05)
    return path


def without_times(path: Path) -> dict[str, Any]:
    """Return the content of a file of answers without seconds."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("simulated", None)
    assert all(answer.pop("seconds") >= 0 for answer in content["answers"])
    return dict(content)


_SILENT = ("none", "generic", "InlineTextBox", "RootWebArea", "LineBreak", "StaticText", "LabelText", "Legend", "form")
_OF_TEXT = ("paragraph", "alert", "status")  # roles without a name


def outline(browser: Any) -> str:
    """Return the tree that a screen reader reads, one line for each node: role, name or text, and state."""
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    by_id = {node["nodeId"]: node for node in nodes}
    lines: list[str] = []

    def value(node: dict[str, Any], key: str) -> str:
        return str(node.get(key, {}).get("value", ""))

    def text(node: dict[str, Any]) -> str:
        if value(node, "role") == "StaticText":
            return value(node, "name")
        return "".join(text(by_id[child]) for child in node.get("childIds", []) if child in by_id)

    def walk(node: dict[str, Any], depth: int) -> None:
        role = value(node, "role")
        shown = not node.get("ignored") and role not in _SILENT
        if shown:
            name = text(node) if role in _OF_TEXT else value(node, "name")
            state = {entry["name"]: entry["value"].get("value") for entry in node.get("properties", [])}
            marks = [str(state["level"])] if role == "heading" else []
            marks += ["checked"] if state.get("checked") == "true" else []
            marks += ["focused"] if state.get("focused") else []
            lines.append("  " * depth + " ".join([role, *marks, *([name] if name else [])]))
        for child in node.get("childIds", []):
            if child in by_id:
                walk(by_id[child], depth + shown)

    walk(nodes[0], 0)
    return "\n".join(lines)

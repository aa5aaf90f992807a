"""Chromium without a window, for what only a browser can tell."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def chromium(profile: Path | None = None) -> Iterator[Any]:
    """A driver of it; without it tests are skipped, but not where CI says that they must run.

    Args:
        profile: folder that keeps what pages keep, from one start to the next.
    """
    there = shutil.which("chromedriver") and find_spec("selenium") and find_spec("axe_core_python")
    if not there and not os.environ.get("CI"):
        pytest.skip("needs chromium, chromedriver, and the packages of the extra 'test'")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    switches = (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-sync",
        "disable-background-networking",
        "disable-component-update",
        "window-size=1280,900",
    )
    for switch in switches:
        options.add_argument(f"--{switch}")
    if profile is not None:
        options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A driver for all tests of a module."""
    with chromium() as driver:
        yield driver


def opened(browser: Any, page: Path | str, *, width: int = 1280, dark: bool = False) -> Any:
    """A page in the browser, a file or an address, at some width."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page if isinstance(page, str) else page.absolute().as_uri())
    return browser


def requested(browser: Any) -> list[str]:
    """The addresses that have been asked for since the last call, whether they answered or not."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]


def check_access(browser: Any, file: Path, *, width: int, dark: bool) -> None:
    """Fail if a page logs anything, is wider than the window, or has a fault of access that axe knows."""
    check_page(opened(browser, file, width=width, dark=dark), width=width)


def check_page(page: Any, *, width: int) -> None:
    """Do the same for what is in the browser now."""
    assert page.get_log("browser") == []
    assert page.execute_script("return window.broken") is None
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    folder = Path(str(find_spec("axe_core_python").submodule_search_locations[0]))  # type: ignore[union-attr, index]
    page.execute_script((folder / "axe.min.js").read_text(encoding="utf-8"))
    # axe does not know that closed details hide their content, and compares colours that are never next to each other
    shown = "{exclude: [['details:not([open]) > :not(summary)']]}"
    found = page.execute_async_script(f"const done = arguments[0]; axe.run({shown}).then(done)")
    assert len(found["passes"]) > 20
    violations = {one["id"]: [node["html"] for node in one["nodes"]] for one in found["violations"]}
    assert violations == {}

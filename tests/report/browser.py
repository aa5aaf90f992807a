"""Chromium without a window, for tests that need a browser."""

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
    """Return a driver of Chromium. Without Chromium, tests are skipped, except in CI.

    Args:
        profile: folder that keeps the storage of pages between two starts.
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
    """Return the driver of all tests of a module."""
    with chromium() as driver:
        yield driver


def opened(browser: Any, page: Path | str, *, width: int = 1280, dark: bool = False) -> Any:
    """Open a page, a file or an address, at a width in pixels."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page if isinstance(page, str) else page.absolute().as_uri())
    return browser


def requested(browser: Any) -> list[str]:
    """Return the addresses that the browser has requested since the last call, with or without an answer."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]


def check_access(browser: Any, file: Path, *, width: int, dark: bool) -> None:
    """Fail if a page logs a message, is wider than the window, or violates a rule of axe."""
    check_page(opened(browser, file, width=width, dark=dark), width=width)


def check_page(page: Any, *, width: int) -> None:
    """Check the open page as `check_access` does."""
    assert page.get_log("browser") == []
    assert page.execute_script("return window.broken") is None
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    folder = Path(str(find_spec("axe_core_python").submodule_search_locations[0]))  # type: ignore[union-attr, index]
    page.execute_script((folder / "axe.min.js").read_text(encoding="utf-8"))
    # axe does not know that closed details hide their content, and compares colours that are never next to each other
    shown = "{exclude: [['details:not([open]) > :not(summary)']]}"
    result = page.execute_async_script(f"const done = arguments[0]; axe.run({shown}).then(done)")
    assert len(result["passes"]) > 20
    violations = {violation["id"]: [node["html"] for node in violation["nodes"]] for violation in result["violations"]}
    assert violations == {}

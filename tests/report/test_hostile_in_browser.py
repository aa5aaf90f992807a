"""The page of a run folder in which every text is an attack: a browser runs nothing and fetches nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interp.report.page import rendering
from interp.runs.folder import RunFolder
from tests.report.browser import opened, requested
from tests.report.hostile import CELL, FILES, fields, outcome, with_value, write_whole
from tests.run_folders import kept, rewrite

pytestmark = pytest.mark.slow

MARK = "window.broken"


@pytest.fixture
def listener() -> Iterator[tuple[int, list[Any]]]:
    """Yield a port, and the list of requests to the port."""
    callers: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            try:
                while True:
                    connection, caller = server.accept()
                    connection.close()
                    callers.append(caller)
            except OSError:
                return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield server.getsockname()[1], callers
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def attacks(port: int) -> list[str]:
    """Return texts that run a script or fetch a file if a page uses them as markup, attribute or address."""
    there = f"http://127.0.0.1:{port}"
    return [
        f'</td></script></style></title><script>window.broken=1;fetch("{there}/a")</script>',
        f'"><img src="{there}/b" onerror="window.broken=1"><x y="',
        f"' onfocus=window.broken=1 autofocus style='background:url({there}/c)' z='",
        f'<svg onload=window.broken=1><image href="{there}/d"/></svg><iframe src="{there}/e"></iframe>',
        f'<link rel=stylesheet href="{there}/f"><meta http-equiv=refresh content="0;url={there}/g">',
        f'<base href="{there}"><form action="{there}/h" id=picker><input autofocus>',
        f'{{{{ 7 * 7 }}}}{{% raw %}}<!--<script>-->"]}}</script><object data="{there}/h"></object>',
        f"javascript:window.broken=1//\u2028url({there}/i)",
    ]


def spoiled(folder: Path, texts: list[str]) -> int:
    """Put an attack into each text and key of a folder's files that the page accepts; return the number of attacks.

    Keys that the page needs keep their names.
    """
    count = shows = 0
    for name in FILES:
        file = folder / name
        content = json.loads(file.read_text())
        for path in reversed(list(fields(content))):  # values inside a key come before the key
            value, key = content, path[-1]
            for step in path:
                value = value[step]
            attack = texts[count % len(texts)]
            changes = [with_value(content, path, attack)] if isinstance(value, str) else []
            if isinstance(key, str):
                changes.append(renamed(content, path, attack))
            for changed in changes:
                rewrite(file, changed)
                _, text = outcome(folder)
                if text.count(MARK) >= shows and text:
                    content, count, shows = changed, count + 1, text.count(MARK)
                    break
            rewrite(file, content)
    return count


def words_spoiled(folder: Path, texts: list[str]) -> None:
    """Replace word types, which are equal on all routes, by attacks."""
    cell = kept(folder / CELL)
    for route, table in cell["words"].items():
        other = dict(zip(table, texts, strict=False))
        cell["words"][route] = {other.get(word, word): value for word, value in table.items()}
    RunFolder(folder).write_file(CELL, cell)


def renamed(content: Any, path: tuple[Any, ...], key: str) -> Any:
    """Return the content with another key at the end of a path."""
    *above, last = path
    mapping = content
    for step in above:
        mapping = mapping[step]
    changed = {key if name == last else name: value for name, value in mapping.items()}
    return with_value(content, tuple(above), changed) if above else changed


def test_nothing_runs_and_nothing_is_fetched(browser: Any, listener: tuple[int, list[Any]], tmp_path: Path):
    port, callers = listener
    run = write_whole(tmp_path / "run")
    words_spoiled(run, attacks(port))
    assert spoiled(run, attacks(port)) > 90
    errors, text = outcome(run)
    assert not errors
    assert text.count(f"127.0.0.1:{port}") > 50
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    requested(browser)
    page = opened(browser, tmp_path / "report.html")
    for name, value in (("layer", "7"), ("route", "around")):  # the script also fills in texts of the files
        page.execute_script(
            "const one = [...document.querySelectorAll(`[name=${arguments[0]}]`)].pop();"
            "if (one.type === 'radio') one.checked = true; else one.value = arguments[1];"
            "one.dispatchEvent(new Event('input', {bubbles: true}))",
            name,
            value,
        )
    for button in page.find_elements("css selector", "table.sortable thead button"):
        page.execute_script("arguments[0].click()", button)
    assert page.get_log("browser") == []
    assert page.execute_script("return window.broken") is None
    assert page.current_url == (tmp_path / "report.html").as_uri()
    assert {address for address in requested(browser) if not address.startswith("data:")} == {page.current_url}
    assert callers == []


def test_the_browser_would_not_run_it_either_way(
    browser: Any, listener: tuple[int, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Templates escape nothing here. The policy of the page still holds, and the counters of the test above work."""
    port, callers = listener
    environment = rendering._environment()
    monkeypatch.setattr(environment, "autoescape", False)
    monkeypatch.setattr(environment, "cache", None)
    run = write_whole(tmp_path / "run")
    manifest = json.loads((run / "manifest.json").read_text())
    attack = f'<script>window.broken=1</script><img src="http://127.0.0.1:{port}/" onerror="window.broken=1">'
    rewrite(run / "manifest.json", manifest | {"command": attack, "notes": [attack]})
    _, text = outcome(run)
    assert attack in text
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    page = opened(browser, tmp_path / "report.html")
    assert page.execute_script("return window.broken") is None
    assert callers == []
    refused = [entry["message"] for entry in page.get_log("browser")]
    assert any("script-src" in message for message in refused)
    assert any("img-src" in message for message in refused)
    without = text.replace("Content-Security-Policy", "x-nothing", 1)
    (tmp_path / "without.html").write_text(without, encoding="utf-8")
    page = opened(browser, tmp_path / "without.html")
    assert page.execute_script("return window.broken") == 1
    assert callers

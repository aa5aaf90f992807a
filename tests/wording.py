"""Errors matched by class and offending value, and one snapshot of their wording.

A test gives the class of an error and the values that the message must quote: names, numbers, paths, options. The
sentences are in `wording.txt`, so that a better wording changes that file alone::

    python -m pytest --update-wording [PATHS]

writes the messages of the tests that it runs. The placeholders PATH, ROOT, PYTHON, HASH, NUMBER and ADDRESS stand for
parts that differ between machines or runs, and THEIRS for the words of another library. Messages of random inputs, and
messages that depend on the machine, are left out with ``snapshot=False``.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from interp.errors import LONGEST

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("wording.txt")
OPTION = "--update-wording"
COLLECTED = pytest.StashKey[set[str]]()  # keys of all tests of the files that pytest has read whole
HEAD = f"# Messages of errors, by test. Written by: python -m pytest {OPTION}\n"
_LONGEST_KEY = 160  # letters
_TEMPORARY = re.escape(tempfile.gettempdir()) + "/"
_THEIRS = [  # what pydantic, safetensors, transformers, peft, torch, Pillow and re say
    r"(?<=: )(?!it is )[^:;]* at line \d+ column \d+",
    r"Error while deserializing[^;]*",
    r"Error no file named [^;]*",
    r"Target modules \{[^;]*",
    r"You set .ignore_mismatched_sizes.[^;]*",
    r"not enough values to unpack[^;]*",
    r"zip\(\) argument[^;]*",
    r"The use of .x\.T. on tensors[^;]*",
    r"Expecting property name[^;]*",
    r"Unterminated string starting at[^;]*(?=\))",
    r"Parquet (?:magic|file)[^;]*",
    r"Bad CRC-32[^;]*|File is not a zip file|404 Client Error[^;]*",
    r"maximum recursion depth exceeded[^;]*",
    r"(?:unterminated|missing) [^:;]* at position \d+",
]
_PLACEHOLDERS = [
    ("|".join(_THEIRS), "THEIRS"),
    # a message cuts a quoted text that is long, at a letter that depends on the length of the path
    (rf"(?P<quote>['\"])(?P<start>[^'\"]*?){_TEMPORARY}.*?(?P=quote)", r"\g<quote>\g<start>PATH\g<quote>"),
    (rf"{_TEMPORARY}[^\s'\";,:)…]*…?", "PATH"),
    (re.escape(sys.executable), "PYTHON"),
    (re.escape(str(ROOT)), "ROOT"),
    (r"\b(?:127\.0\.0\.1|localhost):\d+", "ADDRESS"),
    (r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", "HASH"),
    (r"\b0\.0\d+\b|\b\d+\.\d{4,}(?:e[-+]?\d+)?\b|\b\d+(?:\.\d+)?e-\d+\b", "NUMBER"),
]


class _Messages:
    """Messages of the test that runs, and messages of all tests that have passed in this process."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.passed: dict[str, list[str]] = {}


_messages = _Messages()


class _Raises:
    """An expected error, as a context manager."""

    def __init__(self, kind: type[BaseException], values: tuple[object, ...], *, snapshot: bool) -> None:
        self.kind, self.values, self.snapshot = kind, values, snapshot
        self.expected = pytest.raises(kind)

    def __enter__(self) -> pytest.ExceptionInfo[BaseException]:
        self.caught = self.expected.__enter__()
        return self.caught

    def __exit__(self, *error: Any) -> bool:
        __tracebackhide__ = True
        if not self.expected.__exit__(*error):
            return False
        value = self.caught.value
        if type(value) is not self.kind:
            pytest.fail(f"{type(value).__name__} was raised, not {self.kind.__name__}: {value}")
        check(str(value), self.values)
        if self.snapshot:
            note(value.args[0] if len(value.args) == 1 and isinstance(value.args[0], str) else str(value))
        return True


def raises(kind: type[BaseException], *values: object, snapshot: bool = True) -> _Raises:
    """Expect an error of exactly this class, whose message is one line and quotes each of the values.

    Args:
        kind: class of the error; a subclass does not match.
        values: what the message must quote. A number matches as a whole number: 1 does not match "12". A tuple holds
            several values.
        snapshot: whether the message is compared with the snapshot; false for random inputs.
    """
    return _Raises(kind, values, snapshot=snapshot)


def refused(status: object, error: pytest.CaptureFixture[str] | str, *values: object, snapshot: bool = True) -> str:
    """Return the error of a command that refused its input: exit status 2 and one line that quotes the values.

    Args:
        status: exit status of the command.
        error: standard error of the command, or the fixture that captured it.
        values: as in `raises`.
        snapshot: as in `raises`.
    """
    __tracebackhide__ = True
    text = error if isinstance(error, str) else error.readouterr().err
    if status != 2:
        pytest.fail(f"exit status {status}, not 2: {text[-3000:]}")
    if not text.startswith("error: ") or not text.endswith("\n"):
        pytest.fail(f"not a line of an error: {text[-3000:]}")
    if len(text) > LONGEST + 100:
        pytest.fail(f"{len(text)} letters: {text}")
    message = text.removeprefix("error: ").removesuffix("\n")
    check(message, values)
    if snapshot:
        note(message)
    return message


class _Exits:
    """An expected end of the process with an error, as a context manager."""

    def __init__(self, captured: pytest.CaptureFixture[str], values: tuple[object, ...], *, snapshot: bool) -> None:
        self.captured, self.values, self.snapshot = captured, values, snapshot
        self.expected = pytest.raises(SystemExit)

    def __enter__(self) -> None:
        self.stopped = self.expected.__enter__()

    def __exit__(self, *error: Any) -> bool:
        __tracebackhide__ = True
        if not self.expected.__exit__(*error):
            return False
        refused(self.stopped.value.code, self.captured, *self.values, snapshot=self.snapshot)
        return True


def exits(captured: pytest.CaptureFixture[str], *values: object, snapshot: bool = True) -> _Exits:
    """Expect a parser to end the process, as `refused` expects a command to end."""
    return _Exits(captured, values, snapshot=snapshot)


def check(message: str, values: Iterable[object]) -> None:
    """Fail unless a message is one line that quotes each value."""
    __tracebackhide__ = True
    if len(message.splitlines()) != 1:
        pytest.fail(f"not one line: {message}")
    parts = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    missing = [part for part in parts if not quotes(message, part)]
    if missing:
        pytest.fail(f"not quoted: {', '.join(map(repr, missing))}; the message: {message}")


def quotes(message: str, value: object) -> bool:
    """Return whether a message quotes a value; a number, or its sign, must not be a part of another number.

    >>> quotes("layer 12 does not exist", 1), quotes("layer 12 does not exist", 12)
    (False, True)
    """
    if isinstance(value, int | float):
        return re.search(rf"(?<![\w.]){re.escape(str(value))}(?!\w|\.\d)", message) is not None
    return str(value) in message


def note(message: str) -> None:
    """Keep a message of the test that runs, for the snapshot."""
    text = steady(message)
    if text not in _messages.now:
        _messages.now.append(text)


def steady(message: str) -> str:
    """Return a message with placeholders for what differs between machines or runs."""
    for pattern, placeholder in _PLACEHOLDERS:
        message = re.sub(pattern, placeholder, message)
    return message


def key_of(test: str) -> str:
    """Return the key of a test in the snapshot: its node id, with a digest in place of the end of a long one."""
    if len(test) <= _LONGEST_KEY:
        return test
    return f"{test[: _LONGEST_KEY - 10]}…{hashlib.sha256(test.encode()).hexdigest()[:8]}"


def parse(text: str) -> dict[str, list[str]]:
    """Return the messages of each test from the text of a snapshot."""
    entries: dict[str, list[str]] = {}
    key = ""
    for line in text.splitlines():
        if line.startswith("    "):
            entries[key].append(line[4:])
        elif line and not line.startswith("#"):
            key = line
            entries[key] = []
    return entries


def write(entries: dict[str, list[str]]) -> str:
    """Return the text of a snapshot, sorted by test."""
    rows = (f"{key}\n" + "".join(f"    {line}\n" for line in lines) for key, lines in sorted(entries.items()) if lines)
    return HEAD + "".join(rows)


def merged(text: str, passed: dict[str, list[str]], collected: set[str]) -> str:
    """Return a snapshot with the messages of the tests that passed, without entries that no test of their file has.

    Args:
        text: the snapshot before.
        passed: messages of each test that passed.
        collected: keys of all tests of the files from which tests were collected.
    """
    files = {key.partition("::")[0] for key in collected}
    kept = {key: lines for key, lines in parse(text).items() if key in collected or key.partition("::")[0] not in files}
    return write(kept | passed)


@cache
def _recorded() -> dict[str, list[str]]:
    return parse(SNAPSHOT.read_text(encoding="utf-8"))


def difference(key: str, seen: list[str], recorded: list[str]) -> str:
    """Return how the messages of a test differ from its entry in the snapshot, or nothing."""
    if seen == recorded:
        return ""
    lines = [f"the wording of {key} is not that of {SNAPSHOT.name}"]
    lines += [f"  - {line}" for line in recorded if line not in seen]
    lines += [f"  + {line}" for line in seen if line not in recorded]
    if set(seen) == set(recorded):
        lines += ["  (the messages are in another order)"]
    return "\n".join([*lines, f"if the new wording is right: python -m pytest {OPTION} {key.partition('[')[0]}"])


# Hooks of pytest; tests/conftest.py imports them.


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the snapshot."""
    parser.addoption(OPTION, action="store_true", help="write the errors of the tests that run to tests/wording.txt")


def keep_collected(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the keys of all tests, before some are deselected; none if single tests were asked for."""
    single = any("::" in argument for argument in config.args)
    config.stash[COLLECTED] = set() if single else {key_of(item.nodeid) for item in items}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Compare the messages of a test that otherwise passed with the snapshot, or keep them for it."""
    _messages.now = []
    yield
    key = key_of(item.nodeid)
    if item.config.getoption(OPTION):
        _messages.passed[key] = _messages.now
    elif fault := difference(key, _messages.now, _recorded().get(key, [])):
        pytest.fail(fault, pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the snapshot; each process of tests writes in turn."""
    if not session.config.getoption(OPTION) or not _messages.passed:
        return
    with open(SNAPSHOT, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        file.seek(0)
        file.truncate()
        file.write(merged(text, _messages.passed, session.config.stash.get(COLLECTED, set())))

"""Tests of matching errors by class and offending value, and of the snapshot of their wording."""

from __future__ import annotations

import ast
import tempfile
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.errors import UserError
from tests import wording
from tests.wording import COLLECTED, ROOT, SNAPSHOT, difference, exits, key_of, merged, quotes, raises, refused

Failed = pytest.fail.Exception


class Special(UserError):
    """Subclass of an error."""


def fails(error: Exception, *values: object) -> bool:
    try:
        with raises(UserError, *values, snapshot=False):
            raise error
    except Failed:
        return True
    return False


def test_an_error_is_matched_by_its_class_and_values():
    assert not fails(UserError("no measure 'x'; known: 3"), "'x'", 3)
    assert not fails(UserError("no measure 'x'; known: 3"), ("'x'", 3), ())
    assert fails(UserError("no measure 'x'; known: 3"), ("'x'", 4))
    assert fails(Special("no measure 'x'"), "'x'")
    assert fails(UserError("no measure 'x'"), "'y'")
    assert fails(UserError("no measure 'x'\nknown: y"), "'x'")
    with pytest.raises(ValueError, match="x"), raises(KeyError, snapshot=False):
        raise ValueError("x")
    with pytest.raises(Failed), raises(UserError, snapshot=False):
        pass


@pytest.mark.parametrize(
    ("message", "value", "expected"),
    [
        ("layer 12", 1, False),
        ("layer 12", 2, False),
        ("layer 12.", 12, True),
        ("rate 0.5", 0, False),
        ("rate 0.5", 0.5, True),
        ("from -1 to 2", -1, True),
        ("got (2,) and (3,)", 3, True),
        ("a 'b'", "'b'", True),
        ("a 'b'", "'a'", False),
    ],
)
def test_a_number_is_no_part_of_another_number(message: str, value: object, expected: bool):
    assert quotes(message, value) == expected


@pytest.mark.parametrize(
    ("status", "text", "fault"),
    [
        (2, "error: no 'x'\n", None),
        (1, "error: no 'x'\n", "exit status 1"),
        (None, "error: no 'x'\n", "exit status None"),
        (2, "error: no 'y'\n", "'x'"),
        (2, "no 'x'\n", "not a line"),
        (2, "error: no 'x'", "not a line"),
        (2, "error: no 'x'\nand more\n", "not one line"),
        (2, "error: \n", "not one line"),
        (2, f"error: no 'x' {'y' * 1200}\n", "letters"),
        (2, "", "not a line"),
    ],
)
def test_a_command_refuses_with_status_2_and_one_line(status: int | None, text: str, fault: str | None):
    if fault is None:
        assert refused(status, text, "'x'", snapshot=False) == "no 'x'"
        return
    with pytest.raises(Failed, match=fault):
        refused(status, text, "'x'", snapshot=False)


def test_a_parser_exits_with_status_2(capsys: pytest.CaptureFixture[str]):
    def leave(status: int) -> None:
        print("error: no 'x'", file=wording.sys.stderr)
        raise SystemExit(status)

    with exits(capsys, "'x'", snapshot=False):
        leave(2)
    with pytest.raises(Failed, match="exit status 0"), exits(capsys, "'x'", snapshot=False):
        leave(0)


def test_what_differs_between_machines_is_a_placeholder():
    folder = tempfile.gettempdir()
    assert wording.steady(f"'{folder}/a b.csv', row 3: checksum 0d1e2f3a, rate 0.12345 of 0.017") == (
        "'PATH', row 3: checksum HASH, rate NUMBER of NUMBER"
    )
    assert wording.steady(f"norms 'a={folder}/x,b=/…': cut") == "norms 'a=PATH': cut"
    assert wording.steady(f"tower of {folder}/pytest-1/a, {ROOT}/b") == "tower of PATH, ROOT/b"
    assert wording.steady("layer 12, rate 0.5, decade, 'faded'") == "layer 12, rate 0.5, decade, 'faded'"
    assert wording.steady("cannot read 'x': EOF while parsing an object at line 1 column 1; repair it") == (
        "cannot read 'x': THEIRS; repair it"
    )


def test_other_wording_is_shown_with_what_to_do():
    assert difference("tests/a.py::b[c]", ["x"], ["x"]) == ""
    text = difference("tests/a.py::b[c]", ["x", "new"], ["x", "old"])
    assert all(part in text for part in ("- old", "+ new", "python -m pytest --update-wording tests/a.py::b"))
    assert "  - x" not in text
    assert difference("tests/a.py::b", ["x", "y"], ["y", "x"])
    assert difference("tests/a.py::b", [], ["x"])


KEYS = st.sampled_from([f"tests/{file}.py::{name}" for file in "ab" for name in "xyz"])
LINES = st.lists(st.text("ab '#:", min_size=1), max_size=3)
ENTRIES = st.dictionaries(KEYS, LINES)


@given(ENTRIES, ENTRIES, st.sets(KEYS))
def test_an_update_replaces_entries_of_tests_that_ran_and_removes_those_of_no_test(before, passed, collected):
    collected = collected | passed.keys() if collected else set()
    after = wording.parse(merged(wording.write(before), passed, collected))
    files = {key[: len("tests/a.py")] for key in collected}
    kept = {key: lines for key, lines in before.items() if key in collected or key[: len("tests/a.py")] not in files}
    assert after == {key: lines for key, lines in {**kept, **passed}.items() if lines}
    assert list(after) == sorted(after)


def test_a_long_key_is_cut_and_stays_unique():
    long = "tests/a.py::b[" + "x" * 1000
    assert key_of("tests/a.py::b") == "tests/a.py::b"
    assert len(key_of(long)) < 200
    assert key_of(long + "1") != key_of(long + "2")


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_each_entry_of_the_snapshot_belongs_to_a_test(request: pytest.FixtureRequest):
    if request.config.getoption(wording.OPTION):
        pytest.skip("entries of no test are removed at the end of this run")
    text = SNAPSHOT.read_text(encoding="utf-8")
    entries = wording.parse(text)
    assert wording.write(entries) == text
    collected = request.config.stash[COLLECTED]
    files = {key.partition("::")[0] for key in collected}
    for key in entries:
        file, _, name = key.partition("::")
        assert (ROOT / file).is_file(), key
        assert name.partition("[")[0] in names_in(file), key
        assert file not in files or key in collected, key

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from interp.runs.content import NO_SUM, Real, Whole, is_intact, parse, sealed, to_json
from interp.runs.files import StoreError
from tests.wording import raises

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CONTENT = st.dictionaries(
    TEXT.filter(lambda key: key != "checksum"),
    st.recursive(LEAVES | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8),
    max_size=4,
)


class Inner(TypedDict):
    n: Whole
    pair: tuple[Real, Whole]


@dataclass(frozen=True)
class Outer:
    x: Real
    words: dict[str, Inner]
    names: list[str]


class Record(TypedDict):
    outer: Outer
    also: NotRequired[str | None]


GOOD = {"outer": {"x": None, "words": {"a": {"n": 1, "pair": [2, 3]}}, "names": ["b"]}}


@pytest.mark.slow
@given(CONTENT)
def test_what_is_sealed_is_intact_and_reads_back(content):
    data = sealed(content).encode()
    assert is_intact(data)
    assert {key: value for key, value in json.loads(data).items() if key != "checksum"} == content


@pytest.mark.slow
@given(CONTENT, st.data())
def test_any_change_of_a_byte_is_seen(content, data: st.DataObject):
    whole = sealed(content).encode()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    changed = whole[:place] + bytes([other]) + whole[place + 1 :]
    assert not is_intact(changed)
    assert not is_intact(whole[:place] + whole[place + 1 :])


def test_what_has_no_checksum_is_not_intact():
    for text in ("", "{}", to_json({"a": 1}), to_json({"a": 1, "checksum": NO_SUM}), '{"checksum": 1}'):
        assert not is_intact(text.encode())


def test_null_is_what_is_not_defined_and_whole_numbers_stay_such():
    record = parse(json.dumps(GOOD).encode(), Record, Path("f"), "repair it")
    assert math.isnan(record["outer"].x)
    assert record["outer"].words["a"]["pair"] == (2, 3)
    assert isinstance(record["outer"].words["a"]["pair"][0], int)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"outer": None}, ('"f" ["outer"]', "null")),
        ({"outer": {}}, ('"f" ["outer"]', "{}", '"x"')),
        ({"outer": {"x": "1", "words": {}, "names": []}}, ('"f" ["outer"]["x"]', '"1"')),
        ({"outer": {"x": True, "words": {}, "names": []}}, ('"f" ["outer"]["x"]', "true")),
        ({"outer": {"x": 1e999, "words": {}, "names": []}}, '"f" ["outer"]["x"]'),
        ({"outer": {"x": 1, "words": [], "names": []}}, ('"f" ["outer"]["words"]', "[]")),
        ({"outer": {"x": 1, "words": {"a\n": {}}, "names": []}}, ('"f" ["outer"]["words"]["a\\n"]', "{}")),
        ({"outer": {"x": 1, "words": {}, "names": [7]}}, ('"f" ["outer"]["names"][0]', 7)),
        ({"outer": {"x": 1, "words": {}, "names": "b"}}, ('"f" ["outer"]["names"]', '"b"')),
        ({"outer": {"x": 1, "words": {"a": {"n": 1.5, "pair": [1, 2]}}, "names": []}}, 1.5),
        (
            {"outer": {"x": 1, "words": {"a": {"n": 2**60, "pair": [1, 2]}}, "names": []}},
            2**60,
        ),
        ({"outer": {"x": 1, "words": {"a": {"n": 1, "pair": [1]}}, "names": []}}, ('["pair"]', "[1]")),
        ({"outer": {"x": 1, "words": {"a": {"n": 1, "pair": [1, 2, 3]}}, "names": []}}, 2),
        ({"also": 7}, ('"f" ["also"]', 7)),
    ],
)
def test_what_does_not_fit_is_one_line_that_says_where(change, value: object):
    with raises(StoreError, value):
        parse(json.dumps(GOOD | change).encode(), Record, Path("f"), "repair it")


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")) | CONTENT.map(json.dumps))
def test_whatever_a_file_holds_it_is_a_record_or_one_short_line(content):
    data = content.encode() if isinstance(content, str) else content
    message = outcome(data)
    assert len(message.splitlines()) <= 1
    assert len(message) < 500
    assert not message or message.endswith("; repair it")


def outcome(data: bytes) -> str:
    """Return the error message, or an empty string."""
    try:
        parse(data, Record, Path("f"), "repair it")
    except StoreError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("text", ["[" * 100_000, '{"outer":' * 100_000, '{"outer": ' + "1" * 100_000 + "}", "\\ud800"])
def test_what_is_too_deep_or_too_long_is_one_line(text: str):
    with raises(StoreError, "repair it", snapshot=False) as caught:  # a message of pydantic
        parse(text.encode(), Record, Path("f"), "repair it")
    assert len(str(caught.value)) < 300

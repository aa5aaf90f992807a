"""JSON files of runs, with exact numbers and a checksum, and their records, which define valid values. No torch."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from interp.runs.files import StoreError

Record = TypeVar("Record")
_LARGEST = 2**53  # larger whole numbers are inexact in JavaScript and in columns of floats
_HUGE = 1e300  # larger numbers are invalid
SHOWN = 60  # most letters of a value in an error message
NO_SUM = "0" * 64
SUM = re.compile(rb'\A\{\s*"checksum": "([0-9a-f]{64})"')
_MAPPING, WHOLE = "a mapping of names to values", "a whole number"
_EXPECTED = {
    "string_type": "a text",
    "string_unicode": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "named_tuple_type": _MAPPING,
    "arguments_type": _MAPPING,
    "int_type": WHOLE,
    "int_from_float": WHOLE,
    "int_parsing": WHOLE,
    "float_type": "a number",
    "less_than_equal": "a number in the valid range",
    "greater_than_equal": "a number in the valid range",
}


def _number(value: object) -> float:
    """Return a number of a JSON file; NaN for null."""
    if value is None:
        return math.nan  # JSON has no literal for NaN
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ValueError("a number")
    if abs(value) > _HUGE:
        raise ValueError("a finite number")
    return value


Real = Annotated[float, PlainValidator(_number)]  # null is NaN; a whole number stays whole
Whole = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)]


def to_json(value: Any) -> str:
    """Return JSON with exact floats; NaN and infinities become null, since JSON has no such numbers."""
    return json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """Return a value with None in place of NaN and infinities, at any depth."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def sealed(content: Mapping[str, Any]) -> str:
    """Return `to_json` of a mapping, with a checksum at the beginning.

    The checksum is the SHA-256 of the whole text with zeros in place of the checksum. It reveals damage and edits, but
    not forgery, since anyone who writes the file can also write its checksum.
    """
    text = to_json({"checksum": NO_SUM, **content})
    return text.replace(NO_SUM, hashlib.sha256(text.encode()).hexdigest(), 1)


def is_intact(data: bytes) -> bool:
    """Return whether a file is unchanged since `sealed` wrote it."""
    match = SUM.match(data)
    if match is None:
        return False
    whole = data[: match.start(1)] + NO_SUM.encode() + data[match.end(1) :]
    return hashlib.sha256(whole).hexdigest().encode() == match[1]


def parse(data: bytes, kind: Callable[..., Record], file: Path, remedy: str) -> Record:
    """Parse JSON as a record: a dataclass, or any other type that pydantic checks.

    Args:
        data: content of the file.
        kind: type of the record.
        file: path of the file, for the error message.
        remedy: remedy, for the error message.

    Raises:
        StoreError: the data are not JSON, or a value does not fit the field of the record.
    """
    try:
        record: Record = _adapter(kind).validate_json(data, strict=True)
        return record
    except ValidationError as error:
        errors = error.errors(include_url=False)
    first = errors[0]
    if first["type"] == "json_invalid":
        fault = first["ctx"]["error"].replace("recursion limit exceeded", "it is nested too deeply,")
        raise StoreError(f"cannot read '{file}': {fault}; {remedy}")
    content = from_json(data)
    place = _place(first, content)
    branches = [each for each in errors if _place(each, content) == place]  # one for each type of the field
    expected = " or ".join(dict.fromkeys(map(_expected, branches[: 1 if first["type"] == "missing" else None])))
    where = "".join(f"[{json.dumps(key)}]" for key in place) or "there"
    text = json.dumps(first["input"], default=str, ensure_ascii=True)
    text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    raise StoreError(f"in {json.dumps(str(file))} {where} is {text}, not {expected}; {remedy}")


def _place(error: ErrorDetails, content: Any) -> list[str | int]:
    """Return the keys that lead to an error, without the names of types that pydantic puts between keys."""
    place: list[str | int] = []
    for key in error["loc"]:
        is_key = (isinstance(content, dict) and key in content) or (
            isinstance(content, list) and isinstance(key, int) and key < len(content)
        )
        if is_key:
            place.append(key)
            content = content[key]
    return place


def _expected(error: ErrorDetails) -> str:
    """Return the expected value at the place of an error."""
    kind, facts = error["type"], error.get("ctx", {})
    if kind == "missing":
        name = error["loc"][-1]
        return f"a mapping with {json.dumps(name)}" if isinstance(name, str) else f"a list with more than {name}"
    if kind == "value_error":
        return str(facts["error"])
    if kind == "literal_error":
        return str(facts["expected"])
    if kind in ("too_long", "too_short"):
        return f"a list of {facts.get('max_length', facts.get('min_length'))}"
    return _EXPECTED.get(kind) or error["msg"].lower()


@cache
def _adapter(kind: Any) -> Any:
    """Return pydantic's adapter of a type, which is slow to make."""
    return TypeAdapter(kind)

"""Values that were read from a file; each knows where it stands there, and says so if it is not what is expected."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.runs.files import StoreError
from interp.runs.place import Place

LARGEST = 2**53  # beyond it neither JavaScript nor a column of floats counts exactly


@dataclass(frozen=True)
class Found:
    """A value from a JSON file.

    Attributes:
        mend: what to do if it is not what is expected.
        at: where it stands, as keys and numbers in brackets; nothing for the whole file.
    """

    value: Any
    file: Path
    mend: str
    at: str = ""

    @classmethod
    def read(cls, path: Path, mend: str) -> Found | None:
        """The whole of a JSON file; None, if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        if not path.is_file():
            return None
        try:
            return cls(json.loads(path.read_text(encoding="utf-8")), path, mend)
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot read '{path}': {error}; {mend}") from error

    def wrong(self, expected: str) -> StoreError:
        """The error that says, in one line, what stands there instead of what is expected."""
        text = json.dumps(self.value, default=str)
        text = text if len(text) <= 60 else text[:57] + "..."
        return StoreError(
            f"in {json.dumps(str(self.file))} {self.at or 'there'} is {text}, not {expected}; {self.mend}"
        )

    def get(self, name: str) -> Found:
        """What stands under a key; None, if nothing does."""
        return Found(self._mapping().get(name), self.file, self.mend, f"{self.at}[{json.dumps(name)}]")

    def need(self, name: str) -> Found:
        """What stands under a key that must be there."""
        if name not in self._mapping():
            raise self.wrong(f"a mapping with {json.dumps(name)}")
        return self.get(name)

    def items(self) -> Iterator[tuple[str, Found]]:
        """What stands under each key, in a mapping or in nothing."""
        for name in self._mapping():
            yield name, self.get(name)

    def each(self) -> list[Found]:
        """Each value of a list, which can be missing."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return [Found(one, self.file, self.mend, f"{self.at}[{place}]") for place, one in enumerate(self.value)]

    def text(self) -> str:
        """A text."""
        if not isinstance(self.value, str):
            raise self.wrong("a text")
        return self.value

    def number(self) -> float:
        """A number; NaN, if it is not defined."""
        if self.value is None:
            return math.nan
        if not isinstance(self.value, (int, float)) or isinstance(self.value, bool):
            raise self.wrong("a number")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            raise self.wrong("a finite number")
        return number

    def whole(self) -> int:
        """A whole number."""
        number = self.number()
        if not number.is_integer() or abs(number) > LARGEST:
            raise self.wrong("a whole number")
        return int(number)

    def place(self) -> Place:
        """The place of a cell."""
        return Place(*(self.need(name).whole() for name in Place._fields))

    def _mapping(self) -> dict[str, Any]:
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.wrong("a mapping of names to values")
        return self.value

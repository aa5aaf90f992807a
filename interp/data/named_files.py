"""Look-up of files that a table names, for names from any operating system."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath


class NamedFiles:
    """Files in a folder and its subfolders.

    A name may have backslashes between its parts. Unicode letters may be composed or decomposed in the name and in the
    name of the file. Each folder is listed once.
    """

    def __init__(self, folder: Path) -> None:
        """Look for files in `folder` and below."""
        self.folder = folder
        self._listed: dict[Path, dict[str, str]] = {}

    def find(self, name: str) -> Path | None:
        """Return the file with this name, or None if there is none."""
        try:
            for written in dict.fromkeys((name, name.replace("\\", "/"))):
                path = self.folder / written
                if path.is_file():
                    return path
                match = self._by_letters(path)
                if match is not None and match.is_file():
                    return match
        except (OSError, ValueError):  # a name that no file can have
            pass
        return None

    def near(self, name: str) -> str | None:
        """Return the file in the folder itself whose name is the last part of `name`, ignoring case, or None."""
        return next(self._alike(PureWindowsPath(name).name), None)

    def _alike(self, last: str) -> Iterator[str]:
        names = self._names(self.folder)
        if _composed(last) in names:
            yield names[_composed(last)]
        yield from (name for name in names.values() if _composed(name).casefold() == _composed(last).casefold())

    def _by_letters(self, path: Path) -> Path | None:
        """Return a path whose parts have the same letters, composed or decomposed, or None."""
        match = Path(path.anchor)
        for part in path.parts[bool(path.anchor) :]:
            if part == os.pardir or (match / part).exists():
                match /= part
            elif (other := self._names(match).get(_composed(part))) is not None:
                match /= other
            else:
                return None
        return match

    def _names(self, folder: Path) -> dict[str, str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = {_composed(name): name for name in sorted(os.listdir(folder))}
            except OSError:
                self._listed[folder] = {}
        return self._listed[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)

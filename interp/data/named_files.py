"""Look-up of files that a table names, whatever operating system the names were written on."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath


class NamedFiles:
    """Files in a folder and its subfolders.

    A name may have backslashes between its parts. Its Unicode letters may be composed or decomposed, as may the letters
    of the file's name. Folders are listed once.
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
                found = self._by_letters(path)
                if found is not None and found.is_file():
                    return found
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
        found = Path(path.anchor)
        for part in path.parts[bool(path.anchor) :]:
            if part == os.pardir or (found / part).exists():
                found /= part
            elif (other := self._names(found).get(_composed(part))) is not None:
                found /= other
            else:
                return None
        return found

    def _names(self, folder: Path) -> dict[str, str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = {_composed(name): name for name in sorted(os.listdir(folder))}
            except OSError:
                self._listed[folder] = {}
        return self._listed[folder]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)

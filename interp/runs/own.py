"""Run folders of one's own: what a command was given is marked with a key that no one else has. No torch."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from interp.runs.content import parse
from interp.runs.files import MANIFEST, StoreError, read_bytes

_BYTES = 32
_LONGEST = 4096  # characters of a text that is marked; each of its parts may be a path, and is looked for


class Marks(TypedDict):
    """Marks of texts that a user gave to the command that made a run.

    Attributes:
        salt: keeps marks of two runs from being compared.
        values: codes (HMAC, SHA-256) of the texts, in hexadecimal digits.
    """

    salt: str
    values: list[str]


class _Marked(TypedDict, total=False):
    own: Marks


def marks(given: Iterable[Any]) -> Marks | None:
    """Mark the texts among the options of a command, for the manifest of its run.

    A folder or file is marked by its absolute path, so that no other one of its name passes for it.

    Returns:
        None if there is no key, and none can be kept: the run is then treated as that of a stranger.
    """
    key = _key()
    if key is None:
        return None
    salt = secrets.token_hex(8)
    texts = sorted({value for value in given if isinstance(value, str) and len(value) <= _LONGEST})
    return Marks(salt=salt, values=[_mark(key, salt, text) for text in texts])


def is_own(run: Path | str, text: str) -> bool:
    """Return whether this user gave a text to the command that made a run.

    Args:
        run: a run folder, or its manifest.
        text: as an option has it: the name of a model, data, or a path.
    """
    path = Path(run)
    try:
        manifest = path if path.name == MANIFEST else path / MANIFEST
        content = read_bytes(manifest)
        found = None if content is None else parse(content, _Marked, manifest, "run the command again").get("own")
    except StoreError:
        return False
    key = _key() if found is not None else None
    if found is None or key is None or len(text) > _LONGEST:
        return False
    mark = _mark(key, found["salt"], text)
    return any(hmac.compare_digest(mark, value) for value in found["values"] if value.isascii())


def _mark(key: bytes, salt: str, text: str) -> str:
    return hmac.digest(key, f"{salt}\0{_absolute(text)}".encode("utf-8", "surrogatepass"), "sha256").hex()


def _absolute(text: str) -> str:
    """Return a text with the path in it made absolute, if it is or ends in one that is there."""
    for start in (0, *(place + 1 for place, letter in enumerate(text) if letter in ":=/")):
        if os.path.lexists(text[start:]):
            return text[:start] + os.path.realpath(text[start:])
    return text


def _key() -> bytes | None:
    """Return the user's key, which is made on first use; None if it cannot be kept, or others can read it."""
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(home) / "clip-descriptions" / "key"
        if not path.exists():
            _make_key(path)
        about = path.stat()
        private = os.name == "nt" or (
            about.st_uid == os.geteuid() and not about.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        )
        key = path.read_bytes() if private and stat.S_ISREG(about.st_mode) else b""
    except (OSError, RuntimeError, ValueError):  # RuntimeError: there is no home
        return None
    return key if len(key) == _BYTES else None


def _make_key(path: Path) -> None:
    """Make a key; of several processes that do so at once, all get the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # readable by the user alone
        file.write(secrets.token_bytes(_BYTES))
    try:
        os.link(file.name, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(file.name)

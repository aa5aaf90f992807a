"""Marks that show which options of a run this user gave, made with a private key. No torch."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from interp.runs.content import parse, to_json
from interp.runs.files import MANIFEST, StoreError, read_bytes

_BYTES = 32
_LONGEST = 4096  # most letters of a marked text; each part of a text is checked for being a path


class _Marks(TypedDict):
    """Marks of texts that a user gave to the command of a run.

    Attributes:
        salt: random text that prevents a comparison of the marks of two runs.
        values: option -> hexadecimal code (HMAC, SHA-256) of the settings of the run, the option and its text.
    """

    salt: str
    values: dict[str, str]


class _Marked(TypedDict, total=False):
    """Manifest with marks; `own` is absent or null in a run without marks."""

    settings: dict[str, Any]
    own: _Marks


def marks(settings: Mapping[str, Any], arguments: Mapping[str, Any]) -> _Marks | None:
    """Return marks of the text options of a command, for the manifest of the run.

    A folder or file is marked by its absolute path, so that another file with an equal name does not match.

    Args:
        settings: settings of the run; marks are valid for these settings only.
        arguments: option -> value.

    Returns:
        The marks; None if there is no key and a new key cannot be kept. A run without marks is treated as the run of
        another person.
    """
    key = _key()
    if key is None:
        return None
    salt = secrets.token_hex(8)
    texts = {name: text for name, text in arguments.items() if isinstance(text, str) and len(text) <= _LONGEST}
    return _Marks(salt=salt, values={name: _mark(key, salt, settings, name, text) for name, text in texts.items()})


def is_own(run: Path | str, option: str, text: str) -> bool:
    """Return whether this user gave a text as an option to the command of a run.

    Args:
        run: path of a run folder or of its manifest.
        option: name of the option, for example ``model`` or ``data``.
        text: value of the option.
    """
    path = Path(run)
    try:
        file = path if path.name == MANIFEST else path / MANIFEST
        content = read_bytes(file)
        manifest: _Marked = {} if content is None else parse(content, _Marked, file, "run the command again")
    except StoreError:
        return False
    given = manifest.get("own")
    mark = None if given is None else given["values"].get(option)
    key = None if mark is None else _key()
    if given is None or mark is None or key is None or len(text) > _LONGEST or not mark.isascii():
        return False
    return hmac.compare_digest(_mark(key, given["salt"], manifest.get("settings", {}), option, text), mark)


def _mark(key: bytes, salt: str, settings: Mapping[str, Any], option: str, text: str) -> str:
    """Return the mark of an option's text."""
    stored = json.loads(to_json(settings))  # as in a manifest, with tuples as lists
    marked = json.dumps([salt, stored, option, _absolute(text)], sort_keys=True)
    return hmac.digest(key, marked.encode(), "sha256").hex()


def _absolute(text: str) -> str:
    """Return a text with absolute paths: of the whole text, of the parts of a list, or of the ends of parts."""
    if os.path.lexists(text) or "," not in text:
        return _absolute_end(text)
    return ",".join(map(_absolute_end, text.split(",")))


def _absolute_end(text: str) -> str:
    """Return a text whose longest end that is a path becomes absolute, as in csv:FILE, NAME=FOLDER or ARCH/FILE."""
    for start in (0, *(place + 1 for place, letter in enumerate(text) if letter in ":=/")):
        if os.path.lexists(text[start:]):
            return text[:start] + os.path.realpath(text[start:])
    return text


def _key() -> bytes | None:
    """Return the user's key, which is made on first use; None if the key cannot be kept or others can read it."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
        path = home / "clip-descriptions" / "key"
        if not path.exists():
            _make_key(path)
        about = path.stat()
        private = os.name == "nt" or (about.st_uid == os.geteuid() and not about.st_mode & 0o077)
        key = path.read_bytes() if private and stat.S_ISREG(about.st_mode) else b""
    except (OSError, RuntimeError, ValueError):  # RuntimeError: no home folder
        return None
    return key if len(key) == _BYTES else None


def _make_key(path: Path) -> None:
    """Make a key; processes that do this at the same time share the key."""
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    key = secrets.token_bytes(_BYTES)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # readable by the user alone
        file.write(key)
    try:
        with suppress(FileExistsError):
            os.link(file.name, path)
    except OSError:  # a disk without hard links
        with suppress(FileExistsError), open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as made:
            made.write(key)
    finally:
        os.unlink(file.name)

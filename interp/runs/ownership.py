"""Run folders of this user: the options of a command are marked with a private key. No torch."""

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
_LONGEST = 4096  # characters of a marked text; each of its parts is checked for being a path


class _Marks(TypedDict):
    """Marks of texts that a user gave to the command that made a run.

    Attributes:
        salt: random text that prevents comparing marks of two runs.
        values: option -> code (HMAC, SHA-256) of the settings of the run, the option and its text, in hexadecimals.
    """

    salt: str
    values: dict[str, str]


class _Marked(TypedDict, total=False):
    settings: dict[str, Any]
    own: _Marks


def marks(settings: Mapping[str, Any], arguments: Mapping[str, Any]) -> _Marks | None:
    """Mark the options of a command that are texts, for the manifest of its run.

    A folder or file is marked by its absolute path, so that no other file of the same name passes for it.

    Args:
        settings: settings of the run, for which alone its marks are valid.
        arguments: option -> value.

    Returns:
        The marks, or None if there is no key and none can be kept. A run without marks is treated as that of a
        stranger.
    """
    key = _key()
    if key is None:
        return None
    salt = secrets.token_hex(8)
    texts = {name: text for name, text in arguments.items() if isinstance(text, str) and len(text) <= _LONGEST}
    return _Marks(salt=salt, values={name: _mark(key, salt, settings, name, text) for name, text in texts.items()})


def is_own(run: Path | str, option: str, text: str) -> bool:
    """Return whether this user gave a text, by an option, to the command that made a run.

    Args:
        run: a run folder, or its manifest.
        option: name of the option, such as ``model`` or ``data``.
        text: value of the option.
    """
    path = Path(run)
    try:
        manifest = path if path.name == MANIFEST else path / MANIFEST
        content = read_bytes(manifest)
        found: _Marked = {} if content is None else parse(content, _Marked, manifest, "run the command again")
    except StoreError:
        return False
    own = found.get("own")
    mark = None if own is None else own["values"].get(option)
    key = None if mark is None else _key()
    if own is None or mark is None or key is None or len(text) > _LONGEST or not mark.isascii():
        return False
    return hmac.compare_digest(_mark(key, own["salt"], found.get("settings", {}), option, text), mark)


def _mark(key: bytes, salt: str, settings: Mapping[str, Any], option: str, text: str) -> str:
    known = json.loads(to_json(settings))  # as in a manifest, with tuples as lists
    marked = json.dumps([salt, known, option, _absolute(text)], sort_keys=True)
    return hmac.digest(key, marked.encode(), "sha256").hex()


def _absolute(text: str) -> str:
    """Return a text with its paths made absolute: the text itself, or parts of a list, or their ends."""
    if os.path.lexists(text) or "," not in text:
        return _absolute_end(text)
    return ",".join(map(_absolute_end, text.split(",")))


def _absolute_end(text: str) -> str:
    """Return a text with its longest end that is a path made absolute, as in csv:FILE, NAME=FOLDER or ARCH/FILE."""
    for start in (0, *(place + 1 for place, letter in enumerate(text) if letter in ":=/")):
        if os.path.lexists(text[start:]):
            return text[:start] + os.path.realpath(text[start:])
    return text


def _key() -> bytes | None:
    """Return the user's key, which is made on first use; None if the key cannot be kept, or others can read it."""
    given = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "state"
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
    """Make a key; if several processes do this at once, all get the same key."""
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

"""Words of the page in one language: a JSON file with the keys of `languages/en.json`. No torch."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from interp.data.files import read_file
from interp.errors import UserError, quoted, reason

_SHIPPED = ("en", "de")
_MOST = 2**20
_FOLDER = files("training.studies") / "languages"


def load_words(name: str) -> dict[str, Any]:
    """Read the words of an included language, or of a JSON file.

    Raises:
        UserError: the file cannot be read, lacks a key, has an unknown key, or has a value that is not a text.
    """
    english: dict[str, Any] = json.loads((_FOLDER / "en.json").read_text(encoding="utf-8"))
    if name in _SHIPPED:
        words: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        return words
    try:
        words = json.loads(read_file(name, _MOST).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        fault = getattr(error, "strerror", None) or reason(error)
        raise UserError(
            f"cannot read the language {quoted(name)}: {fault}; give en, de or a JSON file with the keys of "
            "training/studies/languages/en.json"
        ) from error
    _check(words, english, name, "")
    check_tag(f"{quoted(name)} at [language]", words["language"])
    return words


def check_tag(name: str, tag: str) -> None:
    """Raise `UserError` unless a text is a language tag (BCP 47), from which screen readers choose a voice."""
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag):
        raise UserError(f"{name}: {quoted(tag)} is not a language tag; give one such as en, de or pt-BR")


def _check(words: Any, english: Any, name: str, where: str) -> None:
    """Raise `UserError` unless words have the structure and the placeholders of the English words."""
    place = f"{quoted(name)}{where and f' at {where}'}"
    if isinstance(english, dict):
        if not isinstance(words, dict):
            raise UserError(f"{place} is not a mapping of keys to texts")
        for key in english:
            if key not in words:
                raise UserError(
                    f"{place} lacks the key {quoted(key)}; translate it from training/studies/languages/en.json"
                )
        for key in words:
            if key not in english:
                raise UserError(
                    f"{place} has the unknown key {quoted(key)}; use the keys of training/studies/languages/en.json"
                )
            _check(words[key], english[key], name, f"{where}[{key}]")
    elif isinstance(english, list):
        if not isinstance(words, list) or len(words) != len(english):
            raise UserError(f"{place} is not a list of {len(english)} texts")
        for number, (word, other) in enumerate(zip(words, english, strict=True)):
            _check(word, other, name, f"{where}[{number}]")
    else:
        if not isinstance(words, str) or not words.strip():
            raise UserError(f"{place} is not a text")
        for mark in ("{i}", "{n}", "{example}", "{question}", "{file}", "{code}"):
            if (mark in words) != (mark in english):
                raise UserError(f"{place} must {'' if mark in english else 'not '}contain {mark}")

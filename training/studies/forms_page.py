"""Pages for participants: one self-contained file for each form, without models and kinds of text. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.report.page.rendering import render
from interp.runs.files import write_atomic
from training.studies.design import CHECK, ITEM, Form, Screen, Study


def write_forms(study: Study, words: Mapping[str, Any], folder: Path, *, text_language: str) -> list[Path]:
    """Write the page of each form and return the paths.

    Args:
        words: words of the page (`training.studies.language`).
        text_language: language of the compared texts, a BCP 47 tag, for screen readers.
    """
    paths = []
    for form in study.forms:
        paths.append(folder / f"form-{form.name}.html")
        values = {
            "title": words["title"],
            "language": words["language"],
            "content": _page_content(study, form, words, text_language),
        }
        write_atomic(paths[-1], render("study.html.j2", values, "study.js", "study.css"))
    return paths


def _page_content(study: Study, form: Form, words: Mapping[str, Any], text_language: str) -> dict[str, Any]:
    """Return the data of the page of a form: words, codes, and texts in the order of the form."""
    return {
        "id": study.id,
        "form": form.name,
        "codes": form.codes,
        "example": f"{form.name}-AB12",  # codes have no B, 1 or 2
        "textLanguage": text_language,
        "items": sum(screen.kind == ITEM for screen in form.screens),
        "words": words,
        "screens": [_screen(study, screen) for screen in form.screens],
    }


def _screen(study: Study, screen: Screen) -> dict[str, Any]:
    if screen.kind == CHECK:
        return {"check": screen.first, "texts": ["", ""]}
    item = study.by_key[screen.item]
    texts = item.texts if screen.first == 0 else item.texts[::-1]
    shown: dict[str, Any] = {"texts": texts, "context": item.context}
    if screen.rated is not None:
        shown["rated"] = int(screen.rated != screen.first)  # as a place: 0 if the text comes first
    return shown

"""A run folder is checked before a page is made of it: what is no number where one belongs is one line, no markup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.data.contrast import DIRECTIONS, PAPER, Contrast
from interp.errors import UserError
from interp.measures import MEASURED
from interp.results.sweep_run import RATINGS, SweepRun, load_sweep
from interp.results.tables import AGAIN, check_numbers, is_tuned
from interp.runs.examples import FILE
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.values import Found

MANIFEST = "mend the file, or run the sweep again into another folder"
PLAIN = "remove the file: the page does without it"


def load_checked(path: str | Path) -> SweepRun:
    """Read the run folder of a sweep; whatever is wrong with it is an error of the user.

    Raises:
        StoreError: the folder holds no run, or a file holds something else than belongs there.
        UserError: the run is no sweep, or has no cell yet.
    """
    try:
        return load_sweep(path)
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        check_files(RunFolder(Path(path)))
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise StoreError(f"cannot make sense of the files in '{path}' ({said[:200]}); {MANIFEST}") from error


def check_files(folder: RunFolder) -> None:
    """Raise `StoreError` for the first value of another kind than expected in the files that a page is made of."""
    manifest = folder.manifest()
    contrast = check_manifest(manifest, folder)
    for name in folder.names():
        check_cell(folder.read(name), folder.cell_path(name), contrast)
    path = folder.path / FILE
    if path.is_file():
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return  # the page does without, and says so
        check_examples(content, path)


def check_sweep(sweep: SweepRun) -> None:
    """Raise `StoreError` for the first value of another kind than expected, or measure that no cell has."""
    contrast = check_manifest(sweep.manifest, sweep.folder)
    names = set(sweep.folder.names())
    if not all(where.name in names for where in sweep.cells):
        check_files(sweep.folder)  # a file that does not hold the cell that it is named after
    for where, cell in sweep.cells.items():
        check_cell(cell, sweep.folder.cell_path(where.name), contrast)
    check_examples([vars(example) for example in sweep.examples], sweep.folder.path / FILE)
    check_ratings(sweep.folder.path / RATINGS)
    check_columns(sweep)


def check_manifest(manifest: Mapping[str, Any], folder: RunFolder) -> Contrast:
    """Raise `StoreError` for the first value of a manifest that cannot be shown; returns the two kinds of text."""
    whole = Found(manifest, folder.manifest_path, MANIFEST)
    settings, machine = whole.get("settings"), whole.get("machine")
    scalars = [whole.get(name) for name in ("started", "finished", "python", "git", "command", "truncated")]
    scalars += [settings.get(name) for name in ("model", "data", "device", "sources")]
    lists = [one for name in ("notes", "cells") for one in whole.get(name).each()]
    named = [one for name in ("versions", "norm_sources") for _, one in whole.get(name).items()]
    for found in (*scalars, *lists, *named, machine.get("system")):
        if found.value is not None:
            found.text()
    for found in (settings.get("pairs"), machine.get("cpus")):
        if found.value is not None:
            found.whole()
    whole.get("seconds").number()
    whole.get("resumed").each()
    list(whole.get("arguments").items())
    kinds = settings.get("contrast")
    if kinds.value is None:
        return PAPER
    texts = [kind.text() for kind in kinds.each()]
    if len(texts) != len(PAPER.kinds):
        raise kinds.wrong("two names of kinds of text")
    try:
        return Contrast(*texts)
    except UserError as error:
        raise kinds.wrong("two different names") from error


def check_cell(cell: Mapping[str, Any] | None, path: Path, contrast: Contrast) -> None:
    """Raise `StoreError` for the first value of a cell that is not what belongs there."""
    whole = Found(cell, path, AGAIN)
    check_numbers(whole)
    _check_shown(whole, contrast)
    if (tuned := whole.get("tuned")).value not in (None, {}):
        _check_shown(tuned, contrast)


def _check_shown(whole: Found, contrast: Contrast) -> None:
    words = whole.need("words")
    known = [word for word, _ in words.need("full").items()]
    for route in MEASURED:
        if {word for word, _ in words.need(route).items()} != set(known):
            raise words.need(route).wrong('the words of "full"')
        for _, found in words.need(route).items():
            numbers = found.each()
            if len(numbers) != 2:
                raise found.wrong("an attribution and a count")
            numbers[0].number()
            numbers[1].whole()
    for text in whole.get("examples").each():
        _check_text(text, contrast)


def _check_text(text: Found, contrast: Contrast) -> None:
    if text.need("kind").text() not in contrast.kinds:
        raise text.need("kind").wrong(f"{contrast.positive} or {contrast.negative}")
    text.need("score").number()
    words = [word.text() for word in text.need("words").each()]
    for route in MEASURED:
        if len([value.number() for value in text.need(route).each()]) != len(words):
            raise text.need(route).wrong("a number for each word")
    swap = text.need("swap")
    swap.need("source").text()
    for name in ("base", "counterfactual"):
        swap.need(name).number()


def check_examples(content: Any, path: Path) -> None:
    """Raise `StoreError` for the first field of an example that is no text."""
    for example in Found(content, path, PLAIN).each():
        for _, found in example.items():
            found.text()


def check_ratings(path: Path) -> None:
    """Raise `StoreError` for the first rating of a word that is no number; the page does without the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for _, norm in Found(content, path, PLAIN).items():
        for _, rating in norm.items():
            rating.number()


def check_columns(sweep: SweepRun) -> None:
    """Raise `StoreError` for the first measure that the page cannot do without and no cell has."""
    contrast = sweep.contrast
    ceilings = [] if sweep.manifest["settings"].get("controls") == "none" else ["iia_whole", "iia_size0"]
    stems = ["iia", *(f"iia_{method.column}" for method in sweep.methods[1:]), *ceilings]
    needed = ["preference", *(f"shift_{contrast.short(one)}" for one in DIRECTIONS)]
    needed += [f"{stem}{end}" for stem in stems for end in ("", *(f"_{contrast.short(one)}" for one in DIRECTIONS))]
    needed += ["iia_val", "test_pairs", "attribution_delta", *(f"n_{norm}" for norm in sweep.norms)]
    needed += [f"r_{norm}_{route}{end}" for norm in sweep.norms for route in MEASURED for end in ("", "_low", "_high")]
    if is_tuned(sweep.frame):
        routes = [f"tuned_r_{norm}_{route}" for norm in sweep.norms for route in MEASURED]
        shares = ["tuned_preference", *(f"tuned_iia_{contrast.short(one)}" for one in DIRECTIONS)]
        needed += [f"{name}{end}" for name in (*shares, *routes) for end in ("", "_low", "_high")]
        needed += ["tuned_transfer_drop", "tuned_retrieval_drop"]
    for name in needed:
        if name not in sweep.frame:
            raise StoreError(f"no cell in '{sweep.folder.path}' has the measure {json.dumps(name)}; {MANIFEST}")

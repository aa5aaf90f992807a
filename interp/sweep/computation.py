"""Computation of the missing cells of a sweep or of a part, and examination of the chosen cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from interp.cli.progress import Bar
from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.drawing.markup import plural
from interp.errors import UserError
from interp.report.sweep_run import read_sweep
from interp.runs.chosen_cell import ChosenControls, keep_chosen, read_chosen
from interp.runs.directions import Directions, LeadingDirection, keep_directions, with_pictures
from interp.runs.environment import now
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder, update_manifest
from interp.runs.place import Place
from interp.subspaces.clean_run import TextRun, clean_texts
from interp.subspaces.direction_examples import describe
from interp.subspaces.rotation import Rotation
from interp.sweep.chosen_cell import examine, model_of, other_seeds, steps
from interp.sweep.config import SweepConfig
from interp.sweep.executors import find_executor
from interp.sweep.executors.local import one_thread
from interp.sweep.finished_cells import unfinished, untrained
from interp.sweep.progress import OnCells
from interp.sweep.sharing import Shard
from interp.sweep.work import Work


@dataclass(frozen=True)
class Pass:
    """Pass over the cells of a sweep.

    Attributes:
        objective: objective of the training at each cell; None without training.
        searched: True if an earlier pass searched the cells on the frozen model.
    """

    objective: str | None
    searched: bool = False

    def missing(self, folder: RunFolder, places: Sequence[Place]) -> tuple[list[Place], list[str]]:
        """Return the cells that the pass must compute, and faults of unusable files."""
        if self.searched and self.objective is not None:
            return untrained(folder, places, self.objective)
        return unfinished(folder, places, self.objective)


def do_part(
    config: SweepConfig,
    part: Shard,
    folder: RunFolder,
    clip: Clip,
    places: Sequence[Place],
    missing: Sequence[Place],
    prepared: Callable[[list[Place]], Work],
    *,
    last: bool = True,
) -> None:
    """Compute the missing cells of a part of a sweep, except cells that another job is computing.

    Args:
        config: options of the sweep.
        part: part of the sweep.
        folder: run folder.
        clip: model.
        places: cells of the whole sweep.
        missing: missing cells of the whole sweep.
        prepared: function that prepares the work on cells.
        last: True if no other pass follows.
    """
    cells = part.part(places)
    wanted = [place for place in cells if place in set(missing)]
    print(f"part {part.number} of {part.total}: {plural(len(cells), 'cell')}, {len(cells) - len(wanted)} done before")
    computed, _ = compute_missing(config, folder, clip, wanted, prepared)
    left = len(missing) - len(computed)
    if last:
        print(
            f"{plural(left, 'cell')} left for other parts"
            if left
            else "all cells are done; write the tables and the page with --merge"
        )


def check_merged(folder: RunFolder, missing: Sequence[Place], clip: Clip, features: EmbeddedPairs) -> None:
    """Check that all parts are done, and add facts to the manifest that a single part does not have.

    Raises:
        UserError: cells are missing.
    """
    if missing:
        names = ", ".join(place.name for place in missing[:3]) + (" and more" if len(missing) > 3 else "")
        raise UserError(
            f"the results of {plural(len(missing), 'cell')} are missing ({names}); wait for the other jobs, repeat the "
            "--shard of a killed job, or omit --merge to compute the missing cells here"
        )
    update_manifest(folder, **_text_counts(features, clip), finished=now())


def _text_counts(features: EmbeddedPairs, clip: Clip) -> dict[str, str]:
    """Return counts of truncated and wordless texts as sentences; zero counts are omitted."""
    tokens = features.tokens_for(clip)
    cut, none = f"were cut to the model's {clip.context} tokens", "have no word, and the embedding of an empty text"
    counts = {"truncated": (tokens.truncated, cut), "wordless": (tokens.wordless, none)}
    return {name: f"{count} of {len(tokens)} texts {fate}" for name, (count, fate) in counts.items() if count}


def look_at_chosen(
    folder: RunFolder,
    clip: Clip,
    config: SweepConfig,
    prepared: Callable[[list[Place]], Work],
    work: Work | None = None,
    *,
    objective: str = "",
    directions: bool = True,
) -> None:
    """Examine the cell that a pass chooses, and describe its Z on held-out pairs, unless the folder has both results.

    Only a rotation has directions to describe.

    Args:
        folder: run folder.
        clip: base model.
        config: options of the sweep.
        prepared: function that prepares the work on cells.
        work: prepared work; None to prepare it if needed.
        objective: objective of the models that the pass trains; empty for a search on the frozen model.
        directions: True to describe Z.
    """
    place = Place.of(read_sweep(folder, objective).best)
    examined = config.controls != "all" or _is_kept(folder, place, objective, partial(read_chosen, objective=objective))
    described = not directions or _is_kept(folder, place, objective, with_pictures)
    if examined and described:
        return
    work = work or prepared([place])
    bar = partial(Bar, desc="chosen cell")
    with one_thread():
        model, subspace = model_of(work, clip, place)
        if not examined:
            with bar(total=steps(), unit="search") as searches:
                keep_chosen(folder, examine(work, clip, place, model, subspace, searches.update))
        if not described:
            held_out = work.features.split("test")
            leading: tuple[LeadingDirection, ...] = ()
            if isinstance(subspace, Rotation):
                with bar(total=2 * len(held_out), unit="text") as texts:
                    leading = describe(subspace, model, held_out, on_batch=texts.update).leading
            keep_directions(folder, place, objective, leading, held_out.data)


def _is_kept(
    folder: RunFolder, place: Place, objective: str, read: Callable[[RunFolder], ChosenControls | Directions | None]
) -> bool:
    """Return whether a file holds data of a cell and of the model trained there; a damaged file gives False."""
    try:
        kept = read(folder)
    except StoreError as error:
        print(f"note: {error.fault}; the file is written again")
        return False
    return kept is not None and (kept.place, kept.objective) == (place, objective)


def compute_missing(
    config: SweepConfig,
    folder: RunFolder,
    clip: Clip,
    missing: Sequence[Place],
    prepared: Callable[[list[Place]], Work],
    on_cells: OnCells = lambda _: "",
) -> tuple[list[Place], Work | None]:
    """Run the texts once, then compute the missing cells, except cells that another job is computing.

    Returns:
        The computed cells and their work; None in place of the work if there are no such cells.

    Raises:
        UserError: a process died, or the executor omitted a cell; finished cells are kept.
    """
    executor = find_executor(config.executor)
    with executor.claimed(folder, missing) as mine:
        if len(mine) < len(missing):
            print(f"note: other jobs are computing {len(missing) - len(mine)} of these cells")
        if not mine:
            return mine, None
        work = prepared(mine)
        executor.run(work, clip, partial(_clean, work, clip), mine, partial(_more, work, folder), on_cells)
    each = Pass(None if work.trained is None else work.trained.objective, work.searched)
    if absent := [place.name for place in each.missing(folder, mine)[0]]:
        raise UserError(
            f"--engine {config.executor} omitted {len(absent)} of {len(mine)} cells, for example {absent[0]}; "
            "finished cells are kept: run the same command again with --engine local"
        )
    return mine, work


def _clean(work: Work, clip: Clip) -> TextRun:
    """Run the texts, and print and keep the number of truncated texts."""
    tokens = work.features.tokens_for(clip)
    if work.searched:
        return TextRun.without_sites(clip, tokens)
    with Bar(total=len(tokens), desc="clean run", unit="text") as bar:
        sites = [Site("text", layer) for layer in work.layers]
        run = clean_texts(clip, tokens, sites, on_batch=bar.update)
    counts = _text_counts(work.features, clip)
    if counts and work.config.part is None:
        update_manifest(RunFolder(work.folder), **counts)
    print("".join(f"note: {count}\n" for count in counts.values()), end="")
    return run


def _more(work: Work, folder: RunFolder) -> list[Place]:
    """Return the places with other seeds at which the training of the chosen cell is repeated."""
    if work.trained is None or work.config.controls != "all" or work.config.part is not None:
        return []
    return other_seeds(Place.of(read_sweep(folder, work.trained.objective).best))

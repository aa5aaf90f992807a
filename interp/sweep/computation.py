"""Computation of a sweep's missing cells, all or a part of them, and examination of the chosen cell."""

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
        objective: objective of the training at each cell; None if no model is trained.
        searched: True if an earlier pass searches the cells on the frozen model.
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
    """Compute the missing cells of a part of a sweep, except those that another job is computing.

    Args:
        config: options of the sweep.
        part: part of the sweep.
        folder: run folder.
        clip: model.
        places: cells of the whole sweep.
        missing: missing cells of the whole sweep.
        prepared: function that prepares the work on the given cells.
        last: True if no other pass follows.
    """
    own = part.part(places)
    wanted = [place for place in own if place in set(missing)]
    print(f"part {part.number} of {part.of}: {plural(len(own), 'cell')}, {len(own) - len(wanted)} done before")
    computed, _ = compute_missing(config, folder, clip, wanted, prepared)
    left = len(missing) - len(computed)
    if last:
        print(
            f"{plural(left, 'cell')} left to other parts"
            if left
            else "all cells are done: --merge makes tables and page"
        )


def check_merged(folder: RunFolder, missing: Sequence[Place], clip: Clip, features: EmbeddedPairs) -> None:
    """Check that all parts are done, and note facts that no part could note.

    Raises:
        UserError: cells are missing.
    """
    if missing:
        names = ", ".join(place.name for place in missing[:3]) + (" and more" if len(missing) > 3 else "")
        raise UserError(
            f"{len(missing)} cells are missing ({names}): wait for the jobs that do them, run their --shard again if "
            "they were killed, or leave --merge out to compute them here"
        )
    update_manifest(folder, **_of_texts(features, clip), finished=now())


def _of_texts(features: EmbeddedPairs, clip: Clip) -> dict[str, str]:
    """Return counts of truncated and wordless texts as sentences; zero counts are omitted."""
    tokens = features.tokens_for(clip)
    cut, none = f"were cut to the model's {clip.context} tokens", "have no word, and the embedding of an empty text"
    counts = {"truncated": (tokens.truncated, cut), "wordless": (tokens.wordless, none)}
    return {name: f"{count} of {len(tokens)} texts {what}" for name, (count, what) in counts.items() if count}


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
    """Examine the cell that a pass chooses, and describe its Z on held-out pairs, unless both were done before.

    A Z that is not a rotation has no directions to describe.

    Args:
        folder: run folder.
        clip: base model.
        config: options of the sweep.
        prepared: function that prepares the work on the given cells.
        work: prepared work, if there is any.
        objective: objective of the models that the pass trains; empty for a search on the frozen model.
        directions: True to describe Z.
    """
    place = Place.of(read_sweep(folder, objective).best)
    examined = config.controls != "all" or _is_known(
        folder, place, objective, partial(read_chosen, objective=objective)
    )
    described = not directions or _is_known(folder, place, objective, with_pictures)
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


def _is_known(
    folder: RunFolder, place: Place, objective: str, read: Callable[[RunFolder], ChosenControls | Directions | None]
) -> bool:
    """Return whether a file holds data of this cell and of the model trained there; a damaged file does not."""
    try:
        known = read(folder)
    except StoreError as error:
        print(f"note: {error.fault}; it is made again")
        return False
    return known is not None and (known.place, known.objective) == (place, objective)


def compute_missing(
    config: SweepConfig,
    folder: RunFolder,
    clip: Clip,
    missing: Sequence[Place],
    prepared: Callable[[list[Place]], Work],
    on_cells: OnCells = lambda _: "",
) -> tuple[list[Place], Work | None]:
    """Run the texts once, then compute the missing cells, except those that another job is computing.

    Returns:
        Cells that were computed, and the work they were computed from; None without cells.

    Raises:
        UserError: a process died, or the executor has left out a cell; finished cells are kept.
    """
    executor = find_executor(config.executor)
    with executor.claimed(folder, missing) as mine:
        if len(mine) < len(missing):
            print(f"note: other jobs are at work on {len(missing) - len(mine)} of them")
        if not mine:
            return mine, None
        work = prepared(mine)
        executor.run(work, clip, partial(_clean, work, clip), mine, partial(_more, work, folder), on_cells)
    each = Pass(None if work.trained is None else work.trained.objective, work.searched)
    if absent := [place.name for place in each.missing(folder, mine)[0]]:
        raise UserError(
            f"--engine {config.executor} has left out {len(absent)} of {len(mine)} cells, {absent[0]} among them; "
            "finished cells are kept: run the same command again, with --engine local"
        )
    return mine, work


def _clean(work: Work, clip: Clip) -> TextRun:
    """Run the texts, and note the number of truncated texts."""
    tokens = work.features.tokens_for(clip)
    if work.searched:
        return TextRun.without_sites(clip, tokens)
    with Bar(total=len(tokens), desc="clean run", unit="text") as bar:
        sites = [Site("text", layer) for layer in work.layers]
        run = clean_texts(clip, tokens, sites, on_batch=bar.update)
    counts = _of_texts(work.features, clip)
    if counts and work.config.part is None:
        update_manifest(RunFolder(work.folder), **counts)
    print("".join(f"note: {count}\n" for count in counts.values()), end="")
    return run


def _more(work: Work, folder: RunFolder) -> list[Place]:
    """Return the places with other seeds at which the training of the chosen cell is repeated."""
    if work.trained is None or work.config.controls != "all" or work.config.part is not None:
        return []
    return other_seeds(Place.of(read_sweep(folder, work.trained.objective).best))

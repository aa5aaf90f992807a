"""`python -m interp.sweep`: compare layers and subspace sizes of a CLIP, end to end."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from interp import cli
from interp.cli import wrapped
from interp.cli.text import duration
from interp.clip.names import check_named
from interp.data.options import check_world
from interp.data.pairs import SPLITS
from interp.drawing.markup import plural
from interp.errors import UserError
from interp.measures import passes
from interp.runs.replay import Replay
from interp.runs.versions import VERSIONS
from interp.sweep.config import DEFAULT_LIMIT, FROZEN_SIZES, TUNED_SIZES, SweepConfig, preset
from interp.sweep.executors import EXECUTORS

if TYPE_CHECKING:
    from interp.clip.image_features import EmbeddedPairs
    from interp.clip.model import Clip
    from interp.data.norms import Norm
    from interp.data.pairs import PairSet
    from interp.runs.folder import RunFolder
    from interp.runs.place import Place
    from interp.sweep.computation import Pass
    from interp.sweep.work import Work

PROG = "python -m interp.sweep"
DESCRIPTION = """\
Find where CLIP's text tower decides that a text describes an image rather than captions it.

The sweep trains a model at every layer and subspace size. On test pairs it reports
  * preference accuracy: how often the description scores higher than the caption;
  * IIA, the interchange intervention accuracy of the subspace Z, in both directions. A caption that gets Z from a
    description must score higher (c>d, the test). A description that gets Z from a caption must score lower (d>c);
  * the change of zero-shot accuracy and retrieval against the base;
  * the correlation of word attributions with word norms: through Z, around Z, and in full.
There are two passes. The first edits the stream at each cell in seconds, and searches Z on the frozen base (DAS). The
second fine-tunes by IIT-DAS with LoRA, or by calibrated IIT-DAS with --objective iit-das-calibrated. Each pass writes
a complete result. --objective edit runs the first pass only, and --objective das only the search on the frozen base.
A high IIA alone is no evidence: a direction in closed form, the lever, has a high IIA in any model. So each cell also
reports whether there is a preference, whether a swap moves scores by the gap between the kinds (R²), whether the
preference is gone if all texts have one neutral Z, whether scores of other images move too, and what other subspaces
do (principal components, difference in means, gradient, lever, 20 random subspaces). The chosen cell is searched
again with other seeds, for an arbitrary label and with random weights. Fixed rules turn these numbers into a verdict.
--controls none omits the evidence, the controls and the verdict.
The cell is chosen on validation pairs. Among the cells whose preference is within one standard error of the highest,
the rule takes the cell whose model lost least retrieval. In a search on the frozen base, it takes the smallest size
among the cells whose IIA is within one standard error of the highest.
For data other than toy, fine-tuning has the settings of training.finetune --preset paper, which take long;
--tune-steps limits the number of steps. If the data have more than 4,000 pairs, the sweep draws 4,000 of them at
random; --limit sets another number. Each cell is one file. The same command continues where it was stopped."""
EPILOG = """\
examples:
  python -m interp.sweep --layers 6-12
      the embedded toy CLIP and its world: 21 edits and 21 fine-tuned models; 12 minutes on two cores of an AMD EPYC
  python -m interp.sweep --layers 6-12 --objective edit
      the edits alone
  python -m interp.sweep --layers 6-12 --objective das
      the search on the frozen model alone, 35 cells
  python -m interp.sweep --layers 10,11 --sizes 64,256 --model openai/clip-vit-base-patch32 \\
      --data concadia:data/concadia --device cuda --tune-steps 5000 --out runs/concadia
      real data: downloads the model and the classification sets, reads wiki_split.json and resized/ (or resized.zip)
  python -m interp.sweep --layers 10 --model MODEL --data concadia:sample --split val --objective das
      one split alone, divided by article into train, val and test
  python -m interp.sweep --layers 10 --model MODEL --data csv:pairs.csv --kinds alt,caption --objective das
      two other kinds of text, from a CSV file next to its images
  python -m interp.sweep --layers 6-12 --seeds 0-4 --shard 3/20 --out SHARED
      part 3 of 20; twenty jobs that share a folder run the parts 1/20 to 20/20 (docs/how-to/cluster.md has a script)
  python -m interp.sweep --layers 6-12 --seeds 0-4 --merge --out SHARED
      the tables and the page, after all parts
  python -m interp.sweep --layers 6-12 --norms imageability,glasgow-imageability=GlasgowNorms.csv,mine=my.csv
      other norms: by name, the Glasgow file as published, whose familiarity and age of acquisition are held constant in
      one more correlation, or any CSV with the columns word and value
  python -m interp.sweep --config runs/demo/manifest.json --out runs/again
      the same sweep again, with the same numbers; other options on the command line override it
  python -m interp.sweep --config runs/demo --seeds 1 --out runs/seed1

files in the run folder:
  results.csv, results.parquet   one row for each cell, every measure
  norms.csv                      correlations with norms, with p values for the whole grid
  report.html                    one page with all of it, to open, read and send
  heatmap-*.png                  layer x size, one picture for each measure
  cells/*.json                   each cell, with the attribution of every word type by route
  examples.json, ratings.json    texts and pictures that are shown, norms of the words: for pages and figures
  chosen*.json, directions.json  for a chosen cell: controls that need a search; leading directions of Z, with texts
  rotations/*.safetensors        each cell's subspace, for interp.Rotation.load
  trained/*/*.json               measures and attributions of the model that was trained at each cell
  edits/*, tuned/*               each cell's edited and fine-tuned model, for load_clip (not with --objective das)
  manifest.json                  arguments, versions, fingerprints of model and data, times"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit status."""
    earlier, choices = Replay("sweep", preset), {"engine": EXECUTORS}
    config = cli.parse(SweepConfig, PROG, DESCRIPTION, EPILOG, argv, preset, earlier, choices)
    return cli.run(lambda: sweep(config), on_interrupt=lambda: "finished cells are kept; the same command continues")


def sweep(config: SweepConfig) -> int:
    """Check all options, compute the missing cells, and show the result.

    Raises:
        UserError: an option cannot be satisfied; nothing has been written then.
    """
    config.check()
    check_world(config.model, config.data)
    check_named(config.model, config.tokenizer)  # before torch is loaded, which takes longer than this check
    from interp.attribution.sampling import attributed_pairs
    from interp.check.certificate import certified_pairs
    from interp.clip.devices import check_device
    from interp.clip.image_features import features_of_splits
    from interp.clip.loading import load_clip
    from interp.data import load_pairs
    from interp.data.norms import load_norms
    from interp.data.pairs import without_intervals
    from interp.runs.cells import SweepManifest
    from interp.runs.environment import now
    from interp.runs.examples import EXAMPLES, has_examples, keep_examples
    from interp.runs.folder import CachedRunFolder, check_folder, update_manifest
    from interp.runs.ratings import keep_ratings
    from interp.sweep.computation import Pass, check_merged, compute_missing, do_part, look_at_chosen
    from interp.sweep.finished_cells import check_others, searched_otherwise
    from interp.sweep.objectives import find_objective
    from interp.sweep.outputs import LivePage, print_result, write_outputs
    from interp.sweep.work import TrainedCells, Work

    check_device(config.device)
    check_folder(config.folder)
    folder = CachedRunFolder(config.folder)
    if folder.manifest_path.is_file():
        folder.manifest_as(SweepManifest)  # before anything in it is replaced
    elif config.merge:
        raise UserError(f"'{config.folder}' holds no run: there is nothing to merge; run its --shard first")
    objective = find_objective(config.objective)
    norms = load_norms(config.norms)
    pairs = load_pairs(config.data, kinds=config.kinds, split=config.split, limit=config.limit or DEFAULT_LIMIT)
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=config.device, trust=config.trust_run)
    places = _grid(clip, config)
    settings = _settings(config, clip, norms, objective)
    started = time.perf_counter()
    features = features_of_splits(clip, pairs, skip_bad=config.skip_bad_images)
    plan = [Pass(name, searched=number > 0) for number, name in enumerate(passes(config.objective) or (None,))]
    left = {place.layer for each in plan for place in each.missing(folder, places)[0]}
    features = features.tokenized(clip) if left else features
    attributed, draws = attributed_pairs(clip, features.split("test"), norms, config.attributed)
    notes = [*clip.notes, *pairs.notes, *features.notes, *draws, *without_intervals(features.pairs, "test")]
    notes += without_intervals(features.pairs, "train", numbers="R² and shift over gap")
    print("".join(f"note: {note}\n" for note in notes), end="")

    trainings: dict[str, TrainedCells] = {}
    live = LivePage(folder)

    def prepared(each: Pass, needed: list[Place]) -> Work:
        if objective is not None and not trainings:
            trainings.update(objective.prepare(config, clip, features))
        return Work(
            config,
            clip.fingerprint,
            features.to("cpu"),
            tuple(norms),
            tuple(sorted({place.layer for place in needed})),
            sizes,
            tuple(attributed),
            config.folder,
            None if each.objective is None else trainings[each.objective],
            each.searched,
        )

    sizes = tuple(sorted({place.size for place in places}))
    certified = certified_pairs(clip, features, left) if left else {}
    facts = {"notes": notes, "cells": [place.name for place in places]} | (
        {"certified": certified} if certified else {}
    )
    with _open(config, settings, features.data, norms, facts):
        _remove_caches(folder, config)
        check_others(folder, places)
        if not has_examples(folder) and config.part is None:
            keep_examples(folder, features.data, features.split("test").take(attributed[:EXAMPLES]).pairs)
        last = len(plan) - 1
        for number, each in enumerate(plan):
            began = time.perf_counter()
            missing, faults = each.missing(folder, places)
            print("".join(f"note: {fault}; it is computed again\n" for fault in faults), end="")
            begin = partial(prepared, each)
            if config.part is not None:
                do_part(config, config.part, folder, clip, places, missing, begin, last=number == last)
                continue
            if config.merge:
                check_merged(folder, missing, clip, features)
            counted = f"{plural(len(places), 'cell')}, {len(places) - len(missing)} done before"
            print(f"{_of_pass(number, plan)}{counted}; results go to {folder.path}", flush=True)
            work = None
            if missing:
                if config.verbose:
                    print(_plan(config, clip, features, len(attributed), objective, each), flush=True)
                on_cells = live.look if number == 0 else lambda _: live.look(0)  # later passes leave the page as it is
                _, work = compute_missing(config, folder, clip, missing, begin, on_cells)
            if number == 0:
                print("".join(f"note: {note}\n" for note in searched_otherwise(folder, places, sizes)), end="")
            shown = bool(missing) or number == last  # else the next pass writes the page
            look_at_chosen(folder, clip, config, begin, work, objective=each.objective or "", directions=shown)
            if not shown:
                continue
            if missing:
                seconds = round(time.perf_counter() - started, 1)
                update_manifest(folder, finished=now(), seconds=seconds, cells_computed=len(missing))
            keep_ratings(folder, norms)
            result = write_outputs(folder)
            if missing:
                passed = time.perf_counter() - began
                rest = "; the page has its result, and Ctrl-C keeps it" if number < last else ""
                print(f"{_of_pass(number, plan)}{plural(len(missing), 'cell')} in {duration(passed)}{rest}", flush=True)
            if number == last:
                print_result(result, verbose=config.verbose)
    return 0


def _remove_caches(folder: RunFolder, config: SweepConfig) -> None:
    """Remove the caches of a killed run; a part removes only its own cache."""
    from interp.sweep.work import CACHE, cache_name

    for path in folder.path.glob(f"{CACHE}*" if config.part is None else cache_name(config.part)):
        shutil.rmtree(path, ignore_errors=True)


def _grid(clip: Clip, config: SweepConfig) -> list[Place]:
    from interp.clip.sites import Site
    from interp.runs.place import Place

    width, layers = clip.width("text"), config.layer_list
    for layer in layers:
        Site("text", layer).check(clip)
    parts = FROZEN_SIZES if config.frozen else TUNED_SIZES
    sizes = config.size_list or sorted({max(1, width // part) for part in parts})
    for size in sizes:
        if size > width:
            raise UserError(f"size {size} does not fit: the text tower of {clip.name} has width {width}")
    return [Place(layer, size, seed) for layer in layers for size in sizes for seed in config.seed_list]


def _of_pass(number: int, plan: Sequence[Pass]) -> str:
    """Return the beginning of a line about a pass, if there are several passes."""
    return f"pass {number + 1} of {len(plan)}: " if len(plan) > 1 else ""


def _plan(
    config: SweepConfig,
    clip: Clip,
    features: EmbeddedPairs,
    attributed: int,
    objective: ModuleType | None,
    each: Pass,
) -> str:
    """Describe in words what a pass of the sweep does."""
    trained = "" if objective is None else objective.plan(config, each.objective, features)
    if each.searched:
        return wrapped(f"At each cell: {trained}.")
    from interp.subspaces.methods import find_methods

    first, *others = (method.name.key for method in find_methods(config.compared))
    compared = f" next to {', '.join(others)}" if others else ""
    search = (
        f"look for Z on the frozen model ({first}, at most {config.max_steps} steps){compared}, attribute both texts "
        f"of {attributed} pairs"
    )
    more = f"; and then {trained}" if trained else ""
    counts = ", ".join(f"{len(features.rows(name))} {name}" for name in SPLITS)
    return wrapped(f"{clip.name}, {counts} pairs. At each cell: {search}{more}.")


def _settings(config: SweepConfig, clip: Clip, norms: list[Norm], objective: ModuleType | None) -> dict[str, Any]:
    """Return all settings that the numbers depend on, except the data, which are known after all images are read."""
    from interp.subspaces.methods import find_methods

    settings = cli.settings_of(config) | {
        "kind": "sweep",
        "version": VERSIONS["sweep"],
        "model": clip.fingerprint,
        "methods": [list(method.name) for method in find_methods(config.compared)],
        "norms": {norm.name: norm.fingerprint for norm in norms},
    }
    if objective is not None:
        return settings | objective.settings(config)
    return {
        name: value for name, value in settings.items() if name not in ("objective", "tune_steps")
    }  # nothing is trained


def _open(
    config: SweepConfig, settings: dict[str, Any], pairs: PairSet, norms: list[Norm], facts: dict[str, Any]
) -> AbstractContextManager[RunFolder]:
    from interp.runs.folder import open_run

    facts_of_pairs = {"data": pairs.fingerprint, "pairs": len(pairs), "contrast": list(pairs.contrast.kinds)}
    whole, part = config.whole, config.part
    return open_run(
        config.folder,
        settings | facts_of_pairs,
        part=None if part is None else part.name,
        arguments=dataclasses.asdict(whole),
        command=cli.command_line(PROG, whole),
        norm_sources={norm.name: norm.source for norm in norms},
        **facts,
    )


if __name__ == "__main__":
    sys.exit(main())

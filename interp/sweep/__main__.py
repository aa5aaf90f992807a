"""`python -m interp.sweep`: compare layers and subspace sizes of a CLIP, end to end."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from interp import cli
from interp.cli import wrapped
from interp.data.pairs import SPLITS
from interp.errors import UserError
from interp.sweep.config import DEFAULT_LIMIT, FROZEN_SIZES, TUNED_SIZES, VERSION, SweepConfig, preset

if TYPE_CHECKING:
    from interp.clip.image_features import EmbeddedPairs
    from interp.clip.model import Clip
    from interp.data.norms import Norm
    from interp.data.pairs import PairSet
    from interp.interventions.clean_run import TextRun
    from interp.runs.chosen import Chosen
    from interp.runs.directions import Directions
    from interp.runs.folder import RunFolder
    from interp.runs.place import Place
    from interp.sweep.objectives import Objective
    from interp.sweep.work import Work

PROG = "python -m interp.sweep"
DESCRIPTION = """\
Where in CLIP's text tower is it decided that a text describes an image rather than captions it?

At every layer and subspace size the sweep fine-tunes a model by IIT-DAS (LoRA; --objective iit-das-calibrated by
calibrated IIT-DAS), and reports on held-out pairs
  * preference accuracy: how often the description scores higher than the caption;
  * IIA, the interchange intervention accuracy of the alignment that was trained, in both directions. A caption that is
    given Z from a description must score higher (c>d, the test); a description that is given Z from a caption must
    score lower (d>c, easy);
  * what the model has lost against the base in zero-shot transfer and retrieval;
  * the correlation of word attributions with word norms: through Z, around it, and in full.
Beside it stands a search for Z on the frozen base at the same place (DAS); --objective das makes that search alone, in
a fraction of the time.
IIA is no evidence by itself: a direction in closed form, the lever, has a high one in any model. So each cell also
says whether there is a preference at all, whether a swap moves scores by the gap between the kinds (R²), whether the
preference is gone when all texts have one neutral Z, whether other images' scores move too, and what other subspaces
do (principal components, difference in means, gradient, lever, 20 random ones). The chosen cell is searched again
with other seeds, for an arbitrary label and with random weights, and a verdict is given by rules. --controls none
leaves all this out.
A cell is chosen on validation pairs: of those whose preference there is within one standard error of the highest, the
one whose model lost least of the base's retrieval; of a search alone, of those whose IIA is within one standard error
of the highest, the one of the smallest size.
On other data than toy the settings are those of training.finetune --preset paper, which is long: see --tune-steps.
Cells are kept one file each; the same command goes on where an earlier one was stopped."""
EPILOG = """\
examples:
  python -m interp.sweep --layers 6-12
      the embedded toy CLIP and its world: 21 fine-tuned models; minutes on a laptop
  python -m interp.sweep --layers 6-12 --objective das
      the search on the frozen model alone, 35 cells
  python -m interp.sweep --layers 10,11 --sizes 64,256 --model openai/clip-vit-base-patch32 \\
      --data concadia:data/concadia --device cuda --tune-steps 5000 --out runs/concadia
      the real thing: downloads the model and the sets of transfer, reads wiki_split.json and resized/ (or resized.zip)
  python -m interp.sweep --layers 10 --data concadia:sample --split val --objective das
      one split alone, divided by article into train, val and test
  python -m interp.sweep --layers 10 --data csv:pairs.csv --kinds alt,caption --objective das
      two other kinds of text, from a CSV file beside its images
  python -m interp.sweep --layers 6-12 --norms imageability,glasgow-imageability=GlasgowNorms.csv,mine=my.csv
      other norms: by name, the Glasgow file as published, or any CSV with the columns word and value

files in the run folder:
  results.csv, results.parquet   one row for each cell, every measure
  norms.csv                      correlations with norms, with p values for the whole grid
  report.html                    one page with all of it, to open, read and send
  heatmap-*.png                  layer x size, one picture for each measure
  cells/*.json                   each cell, with the attribution of every word type by route
  examples.json, ratings.json    texts and pictures that are shown, norms of the words: for pages and figures
  chosen.json, directions.json   of the chosen cell: controls that take searches; what Z says, by its leading directions
  rotations/*.safetensors        each cell's subspace, for interp.Rotation.load
  tuned/*                        each cell's fine-tuned model, for load_clip (not with --objective das)
  manifest.json                  arguments, versions, fingerprints of model and data, times"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    config = cli.parse(SweepConfig, PROG, DESCRIPTION, EPILOG, argv, preset)
    return cli.run(lambda: sweep(config), on_interrupt=lambda: "finished cells are kept; the same command goes on")


def sweep(config: SweepConfig) -> int:
    """Check everything that can be checked, compute what is missing, show the result.

    Raises:
        UserError: something was asked for that cannot be done; nothing has been written then.
    """
    from interp.attribution.drawing import attributed_pairs
    from interp.check.certificate import certified_pairs
    from interp.clip.devices import check_device
    from interp.clip.image_features import features_of_splits
    from interp.clip.loading import load_clip
    from interp.data import load_pairs
    from interp.data.norms import load_norms
    from interp.results.sweep_run import keep_ratings
    from interp.runs.environment import now
    from interp.runs.examples import EXAMPLES, keep_examples
    from interp.runs.folder import RunFolder, check_folder, update_manifest
    from interp.sweep.finish import finish
    from interp.sweep.finished import searched_otherwise, unfinished
    from interp.sweep.objectives import find_objective
    from interp.sweep.work import Work

    config.check()
    check_device(config.device)
    check_folder(config.folder)
    objective = find_objective(config.objective)
    norms = load_norms(config.norms)
    pairs = load_pairs(config.data, kinds=config.kinds, split=config.split, limit=config.limit or DEFAULT_LIMIT)
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=config.device, trust=config.trust_run)
    places = _grid(clip, config)
    settings = _settings(config, clip, norms, objective)
    started = time.perf_counter()
    features = features_of_splits(clip, pairs, skip_bad=config.skip_bad_images)
    attributed, said = attributed_pairs(clip, features.split("test"), norms, config.attributed)
    notes = [*clip.notes, *pairs.notes, *features.notes, *said]
    print("".join(f"note: {note}\n" for note in notes), end="")

    def prepared(needed: list[Place]) -> Work:
        trained = None if objective is None else objective.prepare(config, clip, features, norms, attributed)
        return Work(
            config, clip.fingerprint, features.to("cpu"), tuple(norms),
            tuple(sorted({place.layer for place in needed})), sizes, tuple(attributed), config.folder, trained,
        )  # fmt: skip

    sizes = tuple(sorted({place.size for place in places}))
    left = {place.layer for place in unfinished(RunFolder(config.folder), places)[0]}
    certified = certified_pairs(clip, features, left) if left else {}
    with _open(config, settings, replace(pairs, pairs=features.pairs), norms, notes, places) as folder:
        shutil.rmtree(folder.path / "cache", ignore_errors=True)  # of a run that was killed
        missing, faults = unfinished(folder, places)
        print("".join(f"note: {fault}; it is computed again\n" for fault in faults), end="")
        print(f"{len(places)} cells, {len(places) - len(missing)} done before; results go to {folder.path}")
        work = None
        if missing:
            update_manifest(folder, certified=certified)
            print(_plan(config, clip, features, len(attributed), objective), end="\n\n", flush=True)
            keep_examples(folder, pairs, features.split("test").take(attributed[:EXAMPLES]).pairs)
            work = prepared(missing)
            _compute(work, clip, missing)
        print("".join(f"note: {one}\n" for one in searched_otherwise(folder, places, sizes)), end="")
        held_out = replace(pairs, pairs=features.split("test").pairs)
        _chosen(folder, clip, held_out, config, lambda place: work or prepared([place]))
        if missing:
            seconds = time.perf_counter() - started
            update_manifest(folder, finished=now(), seconds=round(seconds, 1), cells_computed=len(missing))
        keep_ratings(folder, norms)
        finish(folder)
    if missing:
        print(f"{len(missing)} cells in {seconds / 60:.1f} minutes")
    return 0


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


def _plan(
    config: SweepConfig, clip: Clip, features: EmbeddedPairs, attributed: int, objective: Objective | None
) -> str:
    """What the sweep does, in words."""
    from interp.methods import find_methods

    first, *others = (method.name.key for method in find_methods(config.compared))
    beside = f" beside {', '.join(others)}" if others else ""
    search = (
        f"look for Z on the frozen model ({first}, at most {config.max_steps} steps){beside}, attribute both texts of "
        f"{attributed} pairs"
    )
    more = "" if objective is None else f"; and then {objective.plan(config, features)}"
    counts = ", ".join(f"{len(features.rows(name))} {name}" for name in SPLITS)
    return wrapped(f"{clip.name}, {counts} pairs. At each cell: {search}{more}.")


def _settings(config: SweepConfig, clip: Clip, norms: list[Norm], objective: Objective | None) -> dict[str, Any]:
    """Whatever the numbers depend on, but for the data, which are known when all images have been read."""
    from interp.methods import find_methods

    own = {
        "kind": "sweep", "version": VERSION, "model": clip.fingerprint, "sources": config.sources,
        "controls": config.controls, "methods": [list(method.name) for method in find_methods(config.compared)],
        "norms": {norm.name: norm.fingerprint for norm in norms}, "attributed": config.attributed,
        "n_steps": config.n_steps, "max_steps": config.max_steps, "device": config.device,
    }  # fmt: skip
    return own if objective is None else own | {"objective": config.objective, **objective.settings(config)}


def _open(
    config: SweepConfig, settings: dict[str, Any], pairs: PairSet, norms: list[Norm], notes: list[str],
    places: list[Place],
) -> AbstractContextManager[RunFolder]:  # fmt: skip
    from interp.runs.folder import open_run

    own = {"data": pairs.fingerprint, "pairs": len(pairs), "contrast": list(pairs.contrast.kinds)}
    return open_run(
        config.folder, settings | own, arguments=dataclasses.asdict(config), command=cli.command_line(PROG, config),
        cells=[place.name for place in places], notes=notes, norm_sources={norm.name: norm.source for norm in norms},
    )  # fmt: skip


def _chosen(
    folder: RunFolder, clip: Clip, held_out: PairSet, config: SweepConfig, prepared: Callable[[Place], Work]
) -> None:
    """Examine the chosen cell further, and describe what Z says of held-out pairs, unless that was done before."""
    from tqdm import tqdm

    from interp.results.sweep_run import load_sweep
    from interp.runs.chosen import keep_chosen, read_chosen
    from interp.runs.directions import keep_directions, read_directions
    from interp.runs.place import Place
    from interp.sweep.chosen import describe_chosen, examine, steps
    from interp.sweep.workers import one_thread

    place = Place.of(load_sweep(folder.path).best)
    examined = config.controls != "all" or _is_known(folder, place, read_chosen)
    described = _is_known(folder, place, read_directions)
    if examined and described:
        return
    work = prepared(place)
    bar = partial(tqdm, desc="chosen cell", leave=False, disable=None)
    with one_thread():
        if not examined:
            with bar(total=steps(), unit="search") as searches:
                keep_chosen(folder, examine(work, clip, place, searches.update))
        if not described:
            with bar(total=2 * len(held_out), unit="text") as texts:
                said = describe_chosen(work, clip, place, held_out, texts.update)
            keep_directions(folder, place, said.leading, held_out)


def _is_known(folder: RunFolder, place: Place, read: Callable[[RunFolder], Chosen | Directions | None]) -> bool:
    """Whether a file holds what belongs to a cell; a damaged one does not."""
    from interp.runs.files import StoreError

    try:
        known = read(folder)
    except StoreError as error:
        print(f"note: {error.fault}; it is made again")
        return False
    return known is not None and known.place == place


def _compute(work: Work, clip: Clip, missing: list[Place]) -> None:
    """Run the texts once, then compute the missing cells, in processes if asked."""
    from tqdm import tqdm

    from interp.interventions.clean_run import clean_texts
    from interp.results.sweep_run import load_sweep
    from interp.runs.folder import RunFolder, update_manifest
    from interp.runs.place import Place
    from interp.sweep.chosen import other_seeds
    from interp.sweep.workers import compute

    def prepare() -> TextRun:
        texts = work.features.texts
        with tqdm(total=len(texts), desc="clean run", unit="text", leave=False, disable=None) as bar:
            run = clean_texts(clip, texts, work.layers, on_batch=bar.update)
        if run.tokens.truncated:
            cut = f"{run.tokens.truncated} of {len(texts)} texts were cut to the model's {clip.context} tokens"
            update_manifest(RunFolder(work.folder), truncated=cut)
            print(f"note: {cut}")
        return run

    def again() -> list[Place]:
        if work.trained is None or work.config.controls != "all":
            return []
        return other_seeds(Place.of(load_sweep(work.folder).best))

    compute(work, clip, prepare, missing, again)


if __name__ == "__main__":
    sys.exit(main())

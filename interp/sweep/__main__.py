"""`python -m interp.sweep`: compare layers and subspace sizes of a CLIP, end to end."""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from interp import cli
from interp.cli import option
from interp.errors import UserError

if TYPE_CHECKING:
    from interp.clip.image_features import ImageFeatures
    from interp.clip.model import Clip
    from interp.data.norms import Norm
    from interp.data.pairs import PairSet
    from interp.interventions.clean_run import TextRun
    from interp.runs.folder import RunFolder
    from interp.runs.place import Place
    from training.ablation import Ablation
    from training.config import FinetuneConfig

PROG = "python -m interp.sweep"
DESCRIPTION = """\
Where in CLIP's text tower is it decided that a text describes an image rather than captions it?

For every layer and subspace size the sweep searches a rotation on the frozen model (DAS), and reports
  * IIA, the interchange intervention accuracy on held-out pairs, in both directions. A caption that is given Z
    from a description must score higher (c2d, the test); a description that is given Z from a caption must score
    lower (d2c, easy); beside it the same for PCA, difference in means and random subspaces of the same size;
  * preference accuracy of the model: how often the description scores higher than the caption;
  * the correlation of word attributions with word norms: through Z, around it, and in full.
With --objective iit-das each cell is also fine-tuned with LoRA for its subspace, and the table says what that gives:
preference, IIA of the trained alignment, what is lost in transfer and retrieval. On other data than toy the settings
are those of training.finetune --preset paper, which is long: see --tune-steps.
Cells are kept one file each; the same command goes on where an earlier one was stopped."""
EPILOG = """\
examples:
  python -m interp.sweep --layers 6-12
      the embedded toy CLIP and its world; minutes on a laptop
  python -m interp.sweep --layers 10,11 --sizes 64,256 --model openai/clip-vit-base-patch32 \\
      --data concadia:data/concadia --device cuda --out runs/concadia
      the real thing: downloads the model, reads wiki_split.json and resized/ (or resized.zip)
  python -m interp.sweep --layers 10 --data concadia:sample --split val
      one split alone, divided by article into train, val and test
  python -m interp.sweep --objective iit-das --layers 6,9,11 --sizes 16,64 --out runs/ablation
      also fine-tune at each of these six cells
  python -m interp.sweep --layers 6-12 --norms imageability,glasgow-imageability=GlasgowNorms.csv,mine=my.csv
      other norms: by name, the Glasgow file as published, or any CSV with the columns word and value

files in the run folder:
  results.csv, results.parquet   one row for each cell, every measure
  report.html                    one page with all of it, to open, read and send
  heatmap-*.png                  layer x size, one picture for each measure
  cells/*.json                   each cell, with the attribution of every word type by route
  examples.json, ratings.json    texts and pictures that are shown, norms of the words: for pages and figures
  rotations/*.safetensors        each cell's subspace, for interp.Rotation.load
  tuned/*                        each cell's fine-tuned model, for load_clip (with --objective iit-das)
  manifest.json                  arguments, versions, fingerprints of model and data, times"""


@dataclass(frozen=True)
class SweepConfig:
    """What a sweep is asked for; the options of the command, and part of the manifest."""

    layers: str = option("6-12", "layers of the text tower, counted from 1: a range or a list", metavar="6-12")
    sizes: str | None = option(
        None,
        "subspace sizes, a list; by default d/32, d/16, d/8, d/4 and d/2 of the stream's width d",
        metavar="4,8,16",
    )
    model: str = option("toy", "'toy', a local folder, a fine-tuned run, or a hub id (owner/name, owner/name@revision)")
    tokenizer: str | None = option(None, "where to take the tokenizer from, if the model has none of its own")
    data: str = option("toy", "'toy' or concadia:FOLDER")
    split: str | None = option(None, "use this split alone, divided by article into train, val and test")
    sources: Literal["random", "paired"] = option(
        "random",
        "text that Z is taken from: the right kind of text of another image, or the other text of the same image",
        choices=("random", "paired"),
    )
    objective: Literal["das", "iit-das"] = option(
        "das",
        "das: search on the frozen model; iit-das: at each cell also fine-tune (LoRA), reported as 'trained'",
        choices=("das", "iit-das"),
    )
    tune_steps: int | None = option(None, "most optimizer steps of each fine-tuning; by default as training.finetune")
    transfer: str | None = option(
        None,
        "classification sets by which lost abilities are measured, as in training.evaluate; of other data than toy "
        "by default CIFAR-100, Food101 and ImageNet from the hub",
        metavar="LIST",
    )
    norms: str = option("imageability,concreteness", "word norms, a list: names, or NAME=FILE.csv", metavar="NAMES")
    seeds: str = option("0", "seeds of the search, a range or a list; one cell for each", metavar="0-4")
    jobs: int | None = option(
        None, "processes, by default one for each core, at most 8; the numbers do not depend on it"
    )
    out: str | None = option(None, "run folder; by default runs/sweep-MODEL-DATA")
    device: str = option("cpu", "as torch names it: cpu, cuda, cuda:1")
    limit: int | None = option(
        None, "use about this many pairs, drawn in the proportions of the splits; by default 4000"
    )
    attributed: int = option(32, "test pairs whose two texts are attributed")
    n_steps: int = option(20, "points of the path integral of the attributions")
    max_steps: int = option(300, "most optimizer steps of a search")
    skip_bad_images: bool = option(False, "leave out pairs whose image cannot be read, instead of stopping")


DEFAULT_LIMIT = 4000
SEARCH = 2  # raised whenever the same settings come to search in another way, so that no run mixes both


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    config = cli.parse(SweepConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: sweep(config), on_interrupt=lambda: "finished cells are kept; the same command goes on")


def sweep(config: SweepConfig) -> int:
    """Check everything that can be checked, compute what is missing, show the result.

    Raises:
        UserError: something was asked for that cannot be done; nothing has been written then.
    """
    from interp.clip.image_features import features_of_splits
    from interp.clip.loading import load_clip
    from interp.data import load_pairs
    from interp.data.norms import load_norms
    from interp.results.sweep_run import keep_ratings
    from interp.runs.folder import check_folder, locked, now, update_manifest
    from interp.sweep.finish import finish

    layers, seeds = cli.parse_ints(config.layers, "--layers", low=1), cli.parse_ints(config.seeds, "--seeds")
    sizes = cli.parse_ints(config.sizes, "--sizes", low=1) if config.sizes is not None else None
    cli.require_positive(config, "jobs", "limit", "attributed", "n_steps", "max_steps", "tune_steps")
    out = Path(config.out or f"runs/sweep-{cli.slug(config.model)}-{cli.slug(config.data)}")
    check_folder(out)
    norms = load_norms(config.norms)
    pairs = load_pairs(config.data, split=config.split, limit=config.limit or DEFAULT_LIMIT)
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=config.device)
    keys = _grid(clip, layers, sizes, seeds)
    tuned = _tuned_settings(config)
    started = time.perf_counter()
    features = features_of_splits(clip, pairs, skip_bad=config.skip_bad_images)
    notes = [*clip.notes, *pairs.notes, *features.notes]
    print("".join(f"note: {note}\n" for note in notes), end="")
    folder = _open(out, config, clip, replace(pairs, pairs=features.pairs), norms, notes, tuned, keys)
    with locked(folder):
        shutil.rmtree(out / "cache", ignore_errors=True)  # of a run that was killed
        missing = [key for key in keys if folder.read(key.name) is None]
        print(f"{len(keys)} cells, {len(keys) - len(missing)} done before; results go to {out}")
        if missing:
            _compute(config, folder, clip, pairs, features, norms, missing)
            seconds = time.perf_counter() - started
            update_manifest(folder, finished=now(), seconds=round(seconds, 1), cells_computed=len(missing))
        keep_ratings(folder, norms)
        finish(folder)
    if missing:
        print(f"{len(missing)} cells in {seconds / 60:.1f} minutes")
    return 0


def _grid(clip: Clip, layers: list[int], sizes: list[int] | None, seeds: list[int]) -> list[Place]:
    from interp.clip.sites import Site
    from interp.runs.place import Place

    width = clip.width("text")
    for layer in layers:
        Site("text", layer).check(clip)
    chosen = sizes if sizes is not None else [width // part for part in (32, 16, 8, 4, 2)]
    for size in chosen:
        if size > width:
            raise UserError(f"size {size} does not fit: the text tower of {clip.name} has width {width}")
    return [Place(layer, size, seed) for layer in layers for size in chosen for seed in seeds]


def _tuned_settings(config: SweepConfig) -> dict[str, Any]:
    """What the fine-tuned measures depend on, if they are asked for."""
    if config.objective == "das":
        return {}
    from interp.data.transfer import load_transfer

    sets = {task.name: task.fingerprint for task in load_transfer(_transfer(config))}
    preset = _tuning(config).preset
    return {"objective": config.objective, "tune_steps": config.tune_steps, "preset": preset, "transfer": sets}


def _tuning(config: SweepConfig) -> FinetuneConfig:
    """How each cell is fine-tuned: as `training.finetune` does on the toy, else by its preset `paper`."""
    from training.config import FinetuneConfig, preset

    given = FinetuneConfig(preset="toy" if config.data == "toy" else "paper")
    own = {
        "model": config.model, "tokenizer": config.tokenizer, "data": config.data, "split": config.split,
        "limit": config.limit or DEFAULT_LIMIT, "sources": config.sources, "max_steps": config.tune_steps,
        "skip_bad_images": config.skip_bad_images,
    }  # fmt: skip
    return replace(given, **{**preset(given), **own})


def _transfer(config: SweepConfig) -> str:
    from interp.data.transfer import default_sets

    return config.transfer or default_sets(config.data)


def _open(
    out: Path, config: SweepConfig, clip: Clip, pairs: PairSet, norms: list[Norm], notes: list[str],
    tuned: dict[str, Any], keys: list[Place],
) -> RunFolder:  # fmt: skip
    from interp.runs.folder import open_run

    settings = {
        "kind": "sweep", "search": SEARCH, "model": clip.fingerprint, "data": pairs.fingerprint, "pairs": len(pairs),
        "contrast": list(pairs.contrast.kinds),
        "sources": config.sources, "norms": {norm.name: norm.fingerprint for norm in norms},
        "attributed": config.attributed, "n_steps": config.n_steps, "max_steps": config.max_steps,
        "device": config.device, **tuned,
    }  # fmt: skip
    return open_run(
        out, settings, arguments=dataclasses.asdict(config), command=cli.command_line(PROG, config),
        cells=[key.name for key in keys], notes=notes, norm_sources={norm.name: norm.source for norm in norms},
    )  # fmt: skip


def _compute(
    config: SweepConfig, folder: RunFolder, clip: Clip, given: PairSet, features: ImageFeatures, norms: list[Norm],
    missing: list[Place],
) -> None:  # fmt: skip
    """Run the texts once, then compute the missing cells, in processes if asked."""
    from tqdm import tqdm

    from interp.data.pairs import texts_of
    from interp.interventions.clean_run import clean_texts
    from interp.runs.examples import EXAMPLES, keep_examples
    from interp.runs.folder import update_manifest
    from interp.sweep.workers import Work, compute

    pairs = features.pairs
    more = _ablation(config, folder, clip, features, norms) if config.objective == "iit-das" else None
    splits = {name: [i for i, pair in enumerate(pairs) if pair.split == name] for name in ("train", "val", "test")}
    work = Work(
        model=config.model, tokenizer=config.tokenizer, device=config.device, fingerprint=clip.fingerprint,
        images=features.embeddings.cpu(), splits=splits, groups=tuple(pair.group for pair in pairs),
        contrast=features.contrast,
        norms=tuple(norms), sources=config.sources, layers=tuple(sorted({key.layer for key in missing})),
        attributed=config.attributed, n_steps=config.n_steps, max_steps=config.max_steps, folder=folder.path,
        more=more,
    )  # fmt: skip
    keep_examples(folder, given, [pairs[i] for i in splits["test"][: min(EXAMPLES, config.attributed)]])

    def prepare() -> TextRun:
        texts = texts_of(pairs)
        with tqdm(total=len(texts), desc="clean run", unit="text", leave=False, disable=None) as bar:
            run = clean_texts(clip, texts, work.layers, on_batch=bar.update)
        if run.tokens.truncated:
            cut = f"{run.tokens.truncated} of {len(texts)} texts were cut to the model's {clip.context} tokens"
            update_manifest(folder, truncated=cut)
            print(f"note: {cut}")
        return run

    compute(work, clip, prepare, missing, jobs=config.jobs)


def _ablation(
    config: SweepConfig, folder: RunFolder, clip: Clip, features: ImageFeatures, norms: list[Norm]
) -> Ablation:
    from tqdm import tqdm

    from training.ablation import Ablation, abilities

    with tqdm(desc="abilities of the base", unit="image", leave=False, disable=None) as bar:
        base = abilities(clip, _transfer(config), config.data, features, bar.update)
    return Ablation(
        _tuning(config),
        config.device,
        _transfer(config),
        tuple(norms),
        config.attributed,
        config.n_steps,
        base,
        folder.path,
    )


if __name__ == "__main__":
    sys.exit(main())

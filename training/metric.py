"""`python -m training.metric`: compare metrics of alt text with each other, with text length, and with words alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interp import cli
from interp.cli import WORK, option, slug
from interp.cli.options import DeviceOptions
from interp.data import DATA_HELP, data_labels, load_pairs
from interp.data.pairs import SPLITS, held_out, without_equal_texts
from interp.errors import UserError
from training.metrics.checks import CHECKS

if TYPE_CHECKING:
    from interp.data.pairs import PairSet

PROG = "python -m training.metric"
_CHECKS = ";\n".join(f"  * {name}: {check.about}" for name, check in CHECKS.items())
DESCRIPTION = f"""\
Compare metrics of alt text, after ContextRef (Kreiss et al. 2024). Each check makes a text, its image or its context
worse, and the table shows how often a metric then gives a lower score:
{_CHECKS}.
With --blv, metrics are compared with ratings by blind and low-vision readers. Tables also show the length of the text
and the concreteness of its words. A model with a subspace Z is also scored with a neutral Z. A text with a context also
gets the contextual score of Kreiss et al. 2022. All metrics are compared with the first metric."""
EPILOG = """\
examples:
  clip-descriptions metric --model toy,runs/iit-das --data toy
      twelve checks of the base and of a fine-tuned model, with and without its Z
  clip-descriptions metric --scores clipscore.csv spurts.csv --blv data/blv
      two metrics from files of scores, compared with readers
  clip-descriptions metric --model base,runs/iit-das --data concadia:data/concadia --blv data/blv \\
      --prefix "A photo depicts "

files in the output folder:
  items.jsonl                 every scored text; to add a metric, write a CSV file item,score and give it as --scores
  results.csv, results.json   one row for each number, with interval and n
  metrics.html                the page
  manifest.json, cells/       arguments, versions, scores; the same command continues a stopped comparison"""


@dataclass(frozen=True, kw_only=True)
class _MetricConfig(DeviceOptions):
    """The benchmark."""

    model: str | None = option(
        None,
        "comma-separated models: toy, local folders, fine-tuned runs, hub ids; base is the base of the next model",
        metavar="LIST",
        loads="toy",
    )
    scores: tuple[str, ...] = option(
        (),
        "CSV files with scores: columns item and score for items.jsonl, or description and score for rated texts",
        many=True,
        loads="",
    )
    data: str | None = option(
        None, f"pairs whose descriptions are checked: {DATA_HELP}; may be omitted with --blv", loads="toy.*"
    )
    kinds: str | None = option(
        None, "columns of a table with the two kinds of text; the first kind is checked", metavar="KIND,KIND"
    )
    splits: str | None = option(
        None, "comma-separated splits to check; by default test if the data have train and test, else all"
    )
    limit: int | None = option(None, "use about this many pairs, drawn at random; by default all")
    checks: str = option("all", "comma-separated names of checks", metavar="LIST")
    blv: str | None = option(
        None, "folder with ratings by readers: a clone of their repository, or blv_ratings.csv and images/", loads=""
    )
    prefix: str = option("", "text to put before each text, such as 'A photo depicts ' in CLIPScore")
    seed: int = option(0, "seed of random choices in checks", least=0)
    out: str | None = option(None, "output folder; by default runs/metrics-DATA", role=WORK)
    trust_run: bool = option(
        False,
        "also load what the files of a run refer to outside its folder, such as a base model",
        role=WORK,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_MetricConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _compare(config), on_interrupt=lambda: "scores are kept; the same command continues")


def _compare(config: _MetricConfig) -> int:
    """Check the options, score the texts, and print the tables."""
    from interp.clip.devices import check_device
    from interp.clip.names import check_models
    from interp.data.blv import load_blv
    from interp.runs.folder import check_folder

    cli.check_bounds(config)
    checks = _checks(config.checks)
    models = tuple(name.strip() for name in (config.model or "").split(",") if name.strip())
    if config.data is None and config.blv is None:
        raise UserError(f"nothing to score: add --data, one of {DATA_HELP}, or --blv FOLDER with ratings by readers")
    check_models(models)
    check_device(config.device)
    out = Path(config.out or f"runs/metrics-{_name(config)}")
    check_folder(out)
    from training.metrics.benchmark import ModelSource, check_names, compare_metrics, material_of
    from training.metrics.metrics import baselines, given_metric
    from training.metrics.page import write_page
    from training.metrics.table import terminal_tables

    rated = None if config.blv is None else load_blv(config.blv)
    every = None if config.data is None else _load(config.data, config.kinds, config.limit)
    pairs = None if every is None else _checked_pairs(every, config.splits)
    material = material_of(pairs, rated, checks, config.seed)
    given = [given_metric(path, material.parts) for path in config.scores]
    check_names([*given, *baselines()])
    source = ModelSource(models, config.device, config.trust_run, config.prefix)
    of_models, notes = source.metrics(material, None if every is None else _train(every))
    numbers = compare_metrics(
        material,
        [*of_models, *given, *baselines()],
        out,
        arguments=asdict(config),
        command=cli.command_line(PROG, config),
    )
    notes = [*(() if every is None else every.notes), *notes]
    print("".join(f"note: {note}\n" for note in dict.fromkeys(notes)), end="")
    print(terminal_tables(numbers))
    page = write_page(numbers, out, title=f"Metrics of alt text: {config.data or config.blv}", notes=notes)
    print(f"\nlook at  {page}  in a browser\n         {out / 'results.csv'}  in full precision")
    return 0


def _name(config: _MetricConfig) -> str:
    """Return the name of the data or of the ratings, for the name of a folder."""
    label = data_labels([config.data])[0] if config.data else Path(str(config.blv)).name
    return slug(label.replace("/", "-").removesuffix(".csv"))


def _load(data: str, kinds: str | None, limit: int | None) -> PairSet:
    return without_equal_texts(load_pairs(data, kinds=kinds, limit=limit, as_published=True))


def _checks(names: str) -> list[str]:
    """Return the checks that the option names."""
    chosen = list(CHECKS) if names == "all" else list(dict.fromkeys(name.strip() for name in names.split(",")))
    if unknown := [name for name in chosen if name not in CHECKS]:
        raise UserError(f"--checks: there is no check '{unknown[0]}'; known: {', '.join(CHECKS)}")
    return chosen


def _checked_pairs(pairs: PairSet, splits: str | None) -> PairSet:
    """Return the pairs of the splits that the option names; by default the held-out pairs."""
    if splits is None:
        return held_out(pairs)
    names = [name.strip() for name in splits.split(",")]
    for name in names:
        pairs.split(name)  # raises if there are none
    return replace(pairs, pairs=tuple(pair for pair in pairs.pairs if pair.split in names))


def _train(pairs: PairSet) -> PairSet | None:
    """Return the train pairs, if there are any."""
    there = any(pair.split == SPLITS[0] for pair in pairs.pairs)
    return pairs.split(SPLITS[0]) if there else None


if __name__ == "__main__":
    sys.exit(main())

"""Configuration of a sweep: options of the command, and part of the manifest. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from interp import cli
from interp.cli import IMPLIED, WORK, option
from interp.cli.options import (
    PAPER_ATTRIBUTIONS,
    AttributionOptions,
    DeviceOptions,
    EngineOptions,
    ModelOptions,
    SourceOptions,
    TransferOptions,
)
from interp.cli.types import parse_ints
from interp.data.options import DataOptions
from interp.errors import UserError
from interp.sweep.sharing import Shard

DEFAULT_LIMIT = 4000
TUNED = "iit-das"  # default objective, which trains a model
FROZEN = ("das", "calibrated")  # objectives that train no model, named after the method that searches for Z
METHODS = "das,pca,means,gradient,lever,random"  # default
_MOST_CELLS, MOST_PROCESSES = 10_000, 256
FROZEN_SIZES, TUNED_SIZES = (32, 16, 8, 4, 2), (32, 8, 2)  # divisors of the width that give the default sizes


@dataclass(frozen=True)
class SweepConfig(
    SourceOptions,
    AttributionOptions,
    TransferOptions,
    ModelOptions,
    DataOptions,
    DeviceOptions,
    EngineOptions,
):
    """The sweep."""

    layers: str = option(
        "6-12", "layers of the text tower, counted from 1: a range or a list", metavar="6-12", role=IMPLIED
    )
    sizes: str | None = option(
        None,
        "subspace sizes, a list; by default d/32, d/8 and d/2 of the stream's width d, for das also d/16 and d/4",
        metavar="4,8,16",
        role=IMPLIED,
    )
    seeds: str = option("0", "seeds of the search, a range or a list; one cell for each", metavar="0-4", role=IMPLIED)
    methods: str = option(
        METHODS,
        "how subspaces are found: a cell is about that of the first one, the others are what it is compared with",
        metavar="LIST",
    )
    controls: Literal["all", "none"] = option(
        "all",
        "what a subspace is judged by: everything, or IIA alone, without any other subspace",
        choices=("all", "none"),
    )
    max_steps: int = option(400, "most optimizer steps of a search")
    objective: str = option(
        TUNED,
        "iit-das: fine-tune at each cell (LoRA), after a pass that edits each cell; iit-das-calibrated: the same, with "
        "terms that hold what Z does to the gap between the kinds; edit: the first pass alone, in seconds a cell; "
        "das: a search on the frozen model alone, which all of these make too; calibrated: another search alone, "
        "which asks that a swap move scores by the gap between the kinds",
        metavar="NAME",
    )
    tune_steps: int | None = option(None, "most optimizer steps of each fine-tuning; by default as training.finetune")
    jobs: int | None = option(
        None,
        "processes, by default one for each core, at most 8 (on a cluster: tasks at a time, by default as many as it "
        "has room for); the numbers do not depend on it",
        role=WORK,
        most=MOST_PROCESSES,
    )
    out: str | None = option(None, "run folder; by default runs/sweep-MODEL-DATA", role=WORK)
    limit: int | None = option(
        None,
        "use about this many pairs, drawn in the proportions of the splits; by default 4000",
        role=IMPLIED,
    )
    engine: str = option(
        "local", "processes on this machine, a Ray cluster (extra ray), or shards, which --shard implies", role=WORK
    )
    shard: str | None = option(
        None,
        "do a part of the cells, such as the third of twenty, beside jobs that do the others in the same folder",
        metavar="3/20",
        role=WORK,
    )
    verbose: bool = option(
        False, "print all cells, and explain the columns, the choice of a cell and what cells differ in", role=WORK
    )
    merge: bool = option(False, "make tables and page of what such jobs have done; compute no cell", role=WORK)
    attributed: int = option(
        32,
        "test pairs whose two texts are attributed, drawn from those with rated words in both; 100, and 50 points, "
        "where models are fine-tuned on other data than toy",
    )

    @property
    def frozen(self) -> bool:
        """True if no model is trained."""
        return self.objective in FROZEN

    @property
    def compared(self) -> str:
        """Methods that are used; without controls, only the first."""
        return self.methods if self.controls == "all" else self.methods.split(",")[0]

    @property
    def executor(self) -> str:
        """Name of the executor, see `interp.sweep.executors`."""
        return self.engine if self.shard is None else "shards"

    @property
    def folder(self) -> Path:
        """Run folder."""
        return Path(self.out or f"runs/sweep-{cli.slug(self.model)}-{cli.slug(self.data)}")

    @property
    def part(self) -> Shard | None:
        """Part of the sweep to compute, None for all.

        Raises:
            UserError: the option names no part.
        """
        return None if self.shard is None else Shard.parse(self.shard)

    @property
    def whole(self) -> SweepConfig:
        """Options of a command that computes the whole sweep."""
        engine = "local" if self.engine == "shards" else self.engine
        return replace(self, shard=None, merge=False, engine=engine)

    @property
    def layer_list(self) -> list[int]:
        """Layers of the sweep.

        Raises:
            UserError: the option is no list of layers.
        """
        return parse_ints(self.layers, "--layers", low=1)

    @property
    def size_list(self) -> list[int] | None:
        """Sizes of the sweep; None for sizes that depend on the model.

        Raises:
            UserError: the option is no list of sizes.
        """
        return parse_ints(self.sizes, "--sizes", low=1) if self.sizes is not None else None

    @property
    def seed_list(self) -> list[int]:
        """Seeds of the sweep.

        Raises:
            UserError: the option is no list of seeds.
        """
        return parse_ints(self.seeds, "--seeds")

    def check(self) -> None:
        """Raise `UserError` for values out of range."""
        _ = self.part
        if self.shard is not None and self.merge:
            raise UserError("--shard does a part, and --merge what follows when all are done; give one of them")
        if self.shard is None and self.engine == "shards":
            raise UserError("--engine shards does a part of the cells; say which one with --shard 3/20")
        if self.shard is not None and self.engine not in ("local", "shards"):
            raise UserError(
                f"--shard divides a sweep among jobs, and --engine {self.engine} among its own workers; give one"
            )
        self.check_engine()
        layers, sizes, seeds = self.layer_list, self.size_list or [0], self.seed_list
        cli.check_bounds(self)
        if (cells := len(layers) * len(sizes) * len(seeds)) > _MOST_CELLS:
            raise UserError(
                f"--layers, --sizes and --seeds name {cells} cells or more; the most are {_MOST_CELLS}: name fewer"
            )


def preset(given: SweepConfig) -> Mapping[str, Any]:
    """Return defaults that depend on other options.

    Attributions of fine-tuned models have the authors' settings, except on the toy data. The calibrated search is
    compared with DAS.
    """
    if given.objective == "calibrated":
        return {"methods": f"calibrated,{METHODS}"}
    return PAPER_ATTRIBUTIONS if not given.frozen and given.data != "toy" else {}

"""Options of a sweep, which are also part of its manifest. No torch."""

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
TUNED = "iit-das"  # default objective; it trains a model
FROZEN = ("das", "calibrated")  # objectives that only search for Z, named after the method of the search
METHODS = "das,pca,means,gradient,lever,random"  # default methods
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
        "list of subspace sizes; by default d/32, d/8 and d/2 of the stream's width d, for das and calibrated also "
        "d/16 and d/4",
        metavar="4,8,16",
        role=IMPLIED,
    )
    seeds: str = option("0", "seeds of the search, a range or a list; one cell for each", metavar="0-4", role=IMPLIED)
    methods: str = option(
        METHODS,
        "methods that find subspaces: the first finds the subspace of each cell, the others find subspaces to compare "
        "it with",
        metavar="LIST",
    )
    controls: Literal["all", "none"] = option(
        "all",
        "all: compare the subspace of a cell with control subspaces, and measure further evidence; none: measure IIA "
        "alone",
        choices=("all", "none"),
    )
    max_steps: int = option(400, "largest number of optimizer steps of a search")
    objective: str = option(
        TUNED,
        "das: only search on the frozen model; calibrated: only search, for a subspace whose swap moves scores by the "
        "gap between the kinds; edit: search and train an edit at each cell, in seconds; iit-das: search, edit, and "
        "then fine-tune at each cell (LoRA); iit-das-calibrated: the same, with terms that hold the effect of Z on "
        "the gap",
        metavar="NAME",
    )
    tune_steps: int | None = option(
        None, "largest number of optimizer steps of each fine-tuning; by default as in training.finetune"
    )
    jobs: int | None = option(
        None,
        "number of processes, by default one for each core and at most 8; on a cluster, number of tasks at a time, by "
        "default as many as fit; results do not depend on it",
        role=WORK,
        most=MOST_PROCESSES,
    )
    out: str | None = option(None, "run folder; by default runs/sweep-MODEL-DATA", role=WORK)
    limit: int | None = option(
        None,
        "use about this many pairs, drawn at random in the proportions of the splits; by default 4000",
        role=IMPLIED,
    )
    engine: str = option(
        "local",
        "local: processes on this machine; ray: a Ray cluster (needs the extra ray); shards: implied by --shard",
        role=WORK,
    )
    shard: str | None = option(
        None,
        "compute one part of the cells, for example the third of twenty; other jobs compute the other parts in the "
        "same folder",
        metavar="3/20",
        role=WORK,
    )
    verbose: bool = option(
        False, "print all cells, and explain the columns, the chosen cell and the differences between cells", role=WORK
    )
    merge: bool = option(False, "write tables and page from the finished parts of --shard; compute no cells", role=WORK)
    attributed: int = option(
        32,
        "number of test pairs whose texts are attributed, drawn from pairs with rated words in both texts; 100 (and "
        "--n-steps 50) if models are trained on data other than toy",
    )

    @property
    def frozen(self) -> bool:
        """True if the sweep trains no models."""
        return self.objective in FROZEN

    @property
    def compared(self) -> str:
        """Methods of the sweep; without controls, only the first."""
        return self.methods if self.controls == "all" else self.methods.split(",")[0]

    @property
    def executor(self) -> str:
        """Name of the executor in `interp.sweep.executors`."""
        return self.engine if self.shard is None else "shards"

    @property
    def folder(self) -> Path:
        """Run folder."""
        return Path(self.out or f"runs/sweep-{cli.slug(self.model)}-{cli.slug(self.data)}")

    @property
    def part(self) -> Shard | None:
        """Part of the sweep to compute; None for the whole sweep.

        Raises:
            UserError: `shard` is not a part.
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
            UserError: `layers` is not a list of layers.
        """
        return parse_ints(self.layers, "--layers", low=1)

    @property
    def size_list(self) -> list[int] | None:
        """Sizes of the sweep; None for sizes that depend on the model.

        Raises:
            UserError: `sizes` is not a list of sizes.
        """
        return parse_ints(self.sizes, "--sizes", low=1) if self.sizes is not None else None

    @property
    def seed_list(self) -> list[int]:
        """Seeds of the sweep.

        Raises:
            UserError: `seeds` is not a list of seeds.
        """
        return parse_ints(self.seeds, "--seeds")

    def check(self) -> None:
        """Raise `UserError` for values out of range and for options that exclude each other."""
        _ = self.part
        if self.shard is not None and self.merge:
            raise UserError("--shard computes a part, and --merge follows when all parts are done; give only one")
        if self.shard is None and self.engine == "shards":
            raise UserError("--engine shards computes a part of the cells; choose the part, as in --shard 3/20")
        if self.shard is not None and self.engine not in ("local", "shards"):
            raise UserError(
                f"--shard divides a sweep among jobs, and --engine {self.engine} among workers; give only one"
            )
        self.check_engine()
        layers, sizes, seeds = self.layer_list, self.size_list or [0], self.seed_list
        cli.check_bounds(self)
        if (cells := len(layers) * len(sizes) * len(seeds)) > _MOST_CELLS:
            raise UserError(
                f"--layers, --sizes and --seeds give {cells} cells or more, but the limit is {_MOST_CELLS}; give fewer"
            )


def preset(given: SweepConfig) -> Mapping[str, Any]:
    """Return defaults that depend on other options.

    Attributions of trained models have the authors' settings, except on the toy data. The calibrated search is
    compared with DAS.
    """
    if given.objective == "calibrated":
        return {"methods": f"calibrated,{METHODS}"}
    return PAPER_ATTRIBUTIONS if not given.frozen and given.data != "toy" else {}

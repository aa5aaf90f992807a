"""What a sweep is asked for: the options of the command, and part of the manifest. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.cli import option
from interp.options import AttributionOptions, DataOptions, DeviceOptions, ModelOptions, SourceOptions, TransferOptions

VERSION = 3  # of run folders; raised whenever the same settings come to give other numbers, so that no run mixes both
DEFAULT_LIMIT = 4000
FROZEN = "das"  # the objective that trains no model


@dataclass(frozen=True)
class SweepConfig(
    SourceOptions, AttributionOptions, TransferOptions, ModelOptions, DataOptions, DeviceOptions,
):  # fmt: skip
    """The sweep."""

    layers: str = option("6-12", "layers of the text tower, counted from 1: a range or a list", metavar="6-12")
    sizes: str | None = option(
        None,
        "subspace sizes, a list; by default d/32, d/16, d/8, d/4 and d/2 of the stream's width d",
        metavar="4,8,16",
    )
    seeds: str = option("0", "seeds of the search, a range or a list; one cell for each", metavar="0-4")
    methods: str = option(
        "das,pca,means,random",
        "how subspaces are found: a cell is about that of the first one, the others are what it is compared with",
        metavar="LIST",
    )
    max_steps: int = option(300, "most optimizer steps of a search")
    objective: str = option(
        FROZEN, "das: search on the frozen model; iit-das: at each cell also fine-tune (LoRA), reported as 'trained'",
        metavar="NAME",
    )  # fmt: skip
    tune_steps: int | None = option(None, "most optimizer steps of each fine-tuning; by default as training.finetune")
    jobs: int | None = option(
        None, "processes, by default one for each core, at most 8; the numbers do not depend on it"
    )
    out: str | None = option(None, "run folder; by default runs/sweep-MODEL-DATA")
    limit: int | None = option(
        None, "use about this many pairs, drawn in the proportions of the splits; by default 4000"
    )
    attributed: int = option(32, "test pairs whose two texts are attributed")

    @property
    def folder(self) -> Path:
        """Where the run is kept."""
        return Path(self.out or f"runs/sweep-{cli.slug(self.model)}-{cli.slug(self.data)}")

    @property
    def layer_list(self) -> list[int]:
        """Raises `UserError` unless layers were named."""
        return cli.parse_ints(self.layers, "--layers", low=1)

    @property
    def size_list(self) -> list[int] | None:
        """None to take those that go with the model; raises `UserError` unless sizes were named."""
        return cli.parse_ints(self.sizes, "--sizes", low=1) if self.sizes is not None else None

    @property
    def seed_list(self) -> list[int]:
        """Raises `UserError` unless seeds were named."""
        return cli.parse_ints(self.seeds, "--seeds")

    def check(self) -> None:
        """Raise `UserError` for values out of range."""
        _ = self.layer_list, self.size_list, self.seed_list
        cli.require_positive(self, "jobs", "limit", "attributed", "n_steps", "max_steps", "tune_steps")

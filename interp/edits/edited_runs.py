"""Clean runs of edited models, computed without running a text."""

from __future__ import annotations

from dataclasses import dataclass, replace

from interp.clip.edits.edit import Edit
from interp.clip.sites import Site
from interp.clip.tensors import Float, Int, Streams, Tensor
from interp.subspaces.clean_run import CleanRun
from interp.subspaces.pairs import PairsAtSite


@dataclass(frozen=True, eq=False)
class _EditedRun:
    """Clean run of an edited model at the site of its edit, from the clean run of the base.

    Below the site, and at all positions but EOT, the two models agree, so pushing uses the clean run of the base
    unchanged.
    """

    run: CleanRun
    edit: Edit

    def __len__(self) -> int:
        return len(self.run)

    def take(self, rows: Int[Tensor, " m"]) -> _EditedRun:
        return replace(self, run=self.run.take(rows))

    def stream(self, site: Site) -> Streams:
        _check(self.edit, site)
        return self.edit(self.run.stream(site))

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        _check(self.edit, site)
        return self.run.push(site, h)

    def batches(self, size: int) -> list[Tensor]:
        return self.run.batches(size)


def edited_part(part: PairsAtSite, edit: Edit) -> PairsAtSite:
    """Return the pairs of an edited model at the site of the edit, given the pairs of the base.

    Raises:
        ValueError: the edit is at another site.
    """
    _check(edit, part.site)
    return PairsAtSite(replace(part.pairs, run=_EditedRun(part.pairs.run, edit)), part.site)


def _check(edit: Edit, site: Site) -> None:
    if edit.site != site:
        raise ValueError(f"the edit is at {edit.site}, but the requested site is {site}; use pairs at {edit.site}")

"""Tests of the controls of the chosen cell without a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp import cli
from interp.clip.edits.edit import Edit
from interp.clip.image_features import image_features
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.clip.tensors import Tensor
from interp.data import load_pairs
from interp.data.pairs import SPLITS
from interp.edits.construction import gain
from interp.evidence.arbitrary import alphabetical_halves
from interp.runs.place import Place
from interp.subspaces.pairs import pairs_at
from interp.subspaces.rotation import Rotation, random_basis
from interp.sweep import chosen_cell
from interp.sweep.config import SweepConfig
from interp.sweep.work import Parts, TrainedResult, Work
from tests.sweep.sweeping import SMALL


class _Edited:
    """Trained edit that records the pairs of its controls."""

    objective = "edit"

    def __init__(self, edit: Edit, rotation: Rotation) -> None:
        self._edit, self.rotation = edit, rotation
        self.asked: list[Parts] = []

    def train(self, work: Work, place: Place, clip: Clip) -> tuple[Clip, Rotation]:
        return self._edit.apply(clip), self.rotation

    def edit(self, work: Work, place: Place) -> tuple[Edit, Rotation]:
        return self._edit, self.rotation

    def edit_controls(self, work: Work, clip: Clip, place: Place, arbitrary: Parts, untrained: Parts) -> None:
        self.asked += [arbitrary, untrained]

    def __call__(self, *_: object) -> TrainedResult:
        raise NotImplementedError


def test_controls_search_in_the_edited_model_and_edit_the_base(
    small: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place, site = Place(4, 2, 0), Site("text", 4)
    rotation = Rotation(random_basis(small.width("text"), 2, torch.Generator().manual_seed(0)), site)
    edit = gain(rotation, torch.zeros(small.width("text")), 3.0)
    features = image_features(small, load_pairs("toy", limit=60)).tokenized(small)
    trained, config = _Edited(edit, rotation), cli.parse(SweepConfig, "", "", "", SMALL)
    work = Work(config, small.fingerprint, features, (), (4,), (2,), (), tmp_path, trained)
    searched: list[Parts] = []
    search = chosen_cell._search

    def watched(work: Work, parts: Parts, at: Place):
        searched.append(parts)
        return search(work, parts, at)

    monkeypatch.setattr(chosen_cell, "_search", watched)
    controls = chosen_cell.examine(work, small, place, edit.apply(small), rotation)
    assert controls.overlaps == {1: pytest.approx(1), 2: pytest.approx(1)}

    def halves(clip: Clip, split: str) -> Tensor:
        part = features.split(split)
        return alphabetical_halves(pairs_at(clip, part, site).pairs, part.texts[len(part) :]).run.stream(site)

    (in_model, _), (in_base, _) = searched, trained.asked
    for split in SPLITS:
        torch.testing.assert_close(in_model[split].streams, halves(edit.apply(small), split), atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(in_base[split].streams, halves(small, split), atol=1e-4, rtol=1e-5)
        assert (in_model[split].streams - in_base[split].streams).abs().max() > 0.1

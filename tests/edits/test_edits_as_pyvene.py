"""Tests of edits with pyvene: whole forward passes, and edits that pyvene saves and loads."""

from __future__ import annotations

import contextlib
import copy
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from interp.clip.edits.edit import Edit, EditError
from interp.clip.model import Clip, embed_texts, tokenize
from interp.clip.pyvene import import_pyvene, register
from interp.edits.as_pyvene import EditIntervention, from_pyvene, to_pyvene
from tests.agreement import agree
from tests.edits.test_engine import TEXTS, loreft
from tests.wording import raises

pytestmark = pytest.mark.slow


def tower(clip: Clip) -> Any:
    return copy.deepcopy(clip.model.text_model)


def intervenable(clip: Clip, edit: Edit) -> Any:
    pyvene = import_pyvene()
    register()
    at = {"layer": edit.site.block, "component": "block_output", "unit": "pos", "intervention": to_pyvene(edit)}
    return pyvene.IntervenableModel(pyvene.IntervenableConfig([at]), model=tower(clip))


def embedded(clip: Clip, model: Any) -> Tensor:
    tokens = tokenize(clip, TEXTS)
    places = [[[end] for end in tokens.eot.tolist()]]
    _, result = model({"input_ids": tokens.ids}, unit_locations={"base": places})
    hidden = result.last_hidden_state[torch.arange(len(tokens)), tokens.eot]
    return torch.nn.functional.normalize(clip.model.text_projection(hidden), dim=-1).detach()


def test_pyvene_edits_as_the_engine_does(small: Clip):
    edit = loreft(small)
    embeddings = embedded(small, intervenable(small, edit))
    agree("edits, pyvene", embeddings, embed_texts(edit.apply(small), TEXTS))
    assert (embeddings - embed_texts(small, TEXTS)).abs().max() > 1e-2


def test_pyvene_saves_and_loads_it(small: Clip, tmp_path: Path):
    pyvene, edit = import_pyvene(), loreft(small, seed=4)
    with contextlib.redirect_stdout(io.StringIO()):
        intervenable(small, edit).save(str(tmp_path / "saved"))
        again = pyvene.IntervenableModel.load(str(tmp_path / "saved"), tower(small))
    agree("edits, pyvene", embedded(small, again), embed_texts(edit.apply(small), TEXTS))


def test_there_and_back_is_the_same_edit(small: Clip):
    edit = loreft(small, seed=2)
    assert from_pyvene(to_pyvene(edit), edit.site).fingerprint == edit.fingerprint
    with raises(EditError, "to_pyvene"):
        from_pyvene(EditIntervention(embed_dim=24), edit.site)
    assert {parameter.requires_grad for parameter in to_pyvene(edit).parameters()} == {True}

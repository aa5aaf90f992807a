"""Tests of the check command: it passes for sound models, and each check can fail."""

from __future__ import annotations

import pytest
import torch

from interp.attribution import all_layers, integral
from interp.check import __main__ as command
from interp.check import at_length
from interp.check.at_length import run_checks
from interp.clip import blocks
from interp.clip.model import Clip
from interp.subspaces import clean_run
from interp.subspaces.methods import das
from tests.wording import exits, refused

Patch = pytest.MonkeyPatch


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_all_paths_agree_in_every_dtype(small: Clip, dtype: str, capsys):
    assert command.main([small.name, "--dtype", dtype]) == 0
    shown = capsys.readouterr().out
    assert f"on cpu in {dtype}: all 13 agree" in shown.splitlines()[-1]
    assert "FAILED" not in shown
    for name in ("forward: image", "counterfactual: text tower, 5 layers", "gradient", "attribution: pushed forward"):
        assert name in shown


@pytest.mark.slow
def test_the_toy(capsys):
    assert command.main(["toy"]) == 0


def scaled(module, name: str, patch: Patch) -> None:
    plain = getattr(module, name)
    patch.setattr(module, name, lambda *given: 1.01 * plain(*given))


def scaled_basis(patch: Patch) -> None:
    swap = das.swap_span
    patch.setattr(das, "swap_span", lambda base, source, free: swap(base, 1.01 * source, free))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (lambda patch: patch.setattr(blocks, "QUICK", 1.7), {"forward: text", "forward: image", "attribution: pulled"}),
        (lambda patch: scaled(clean_run, "step_block", patch), {"counterfactual: text", "gradient: of"}),
        (lambda patch: scaled(clean_run, "embed_stream", patch), {"counterfactual: vision"}),
        (scaled_basis, {"gradient: of"}),
        (lambda patch: scaled(integral, "step_block", patch), {"attribution: pulled"}),
        (lambda patch: scaled(all_layers, "step_block", patch), {"attribution: pushed"}),
    ],
)
def test_each_check_fails_where_its_path_is_wrong(small: Clip, monkeypatch: Patch, plant, expected: set[str]):
    plant(monkeypatch)
    failed = {" ".join(finding.what.split()[:2]) for finding in run_checks(small) if not finding.ok}
    assert expected <= failed
    assert len(failed) < 13


@pytest.mark.slow
def test_what_fails_is_said_in_one_line_with_status_1(small: Clip, monkeypatch: Patch, capsys):
    def impossible(_bench):
        raise RuntimeError("\"addmm\" not implemented for 'Half'\nsomewhere")

    monkeypatch.setitem(at_length.CHECKS, "gradient", impossible)
    assert command.main([small.name, "--dtype", "float16"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert (
        "1 of 13 FAILED, the first is gradient: cannot be computed here: \"addmm\" not implemented for 'Half'" in last
    )
    assert last.endswith("if float32 passes, the dtype is too coarse for it")


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["nowhere"], "'nowhere'"),
        (["toy", "--device", "abacus"], "'abacus'"),
        (["toy", "--tokenizer", "nowhere"], "'nowhere'"),
        pytest.param(
            ["toy", "--device", "cuda"],
            "'cuda'",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU"),
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, arguments: list[str], value: object):
    refused(command.main(arguments), capsys, value)


@pytest.mark.parametrize("arguments", [[], ["toy", "--dtype", "int8"]])
def test_what_the_parser_refuses(capsys, arguments: list[str]):
    with exits(capsys, "--help"):
        command.main(arguments)

"""`python -m benchmarks.family`: measure the smallest sweep on each architecture of CLIP at full size.

Weights are random. Each model is saved as its makers publish it and loaded from there, and one cell is searched for on
24 pairs: `--objective das`, the last layer but one.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from benchmarks.material import typical_lengths, write_concadia
from benchmarks.measure import check_writable, measure_machine, write_results
from benchmarks.whole_sweep import sweep_cost
from interp import cli
from interp.clip.open_clip import SIZES, WIDE_HEADS, to_open_clip
from interp.clip.toy_model import load_toy_tokenizer
from interp.errors import UserError

PROG = "python -m benchmarks.family"
PAIRS = 24
MLP = {1408: 6144, 1664: 8192}  # widths of MLPs that are not four times those of their streams


@dataclass(frozen=True)
class Member:
    """Member of the family.

    Attributes:
        size: key of open_clip's sizes.
        patch, image: sides in pixels.
        activation: transformers' name of the activation.
        arch: open_clip's name of the architecture, if the model is saved in its format.
    """

    size: str
    patch: int
    image: int = 224
    activation: str = "quick_gelu"
    arch: str | None = None


FAMILY = {
    "ViT-B/32 (OpenAI, MetaCLIP)": Member("B", 32),
    "ViT-B/16 (OpenAI, MetaCLIP)": Member("B", 16),
    "ViT-L/14 (OpenAI, MetaCLIP)": Member("L", 14),
    "ViT-L/14@336 (OpenAI)": Member("L", 14, 336),
    "ViT-B-32 (open_clip's format)": Member("B", 32, activation="gelu", arch="ViT-B-32"),
    "ViT-H/14 (LAION)": Member("H", 14, activation="gelu"),
    "ViT-g/14 (LAION)": Member("g", 14, activation="gelu"),
    "ViT-bigG/14 (LAION)": Member("bigG", 14, activation="gelu"),
}


def configuration(member: Member) -> CLIPConfig:
    """Return the configuration of a member at its published sizes."""
    vision, vision_blocks, text, text_blocks = SIZES[member.size]
    tokenizer = load_toy_tokenizer()
    shared = {"S": 384, "B": 512, "L": 768, "H": 1024, "g": 1024, "bigG": 1280}[member.size]
    return CLIPConfig(
        text_config={
            "hidden_size": text,
            "intermediate_size": 4 * text,
            "num_hidden_layers": text_blocks,
            "num_attention_heads": text // 64,
            "hidden_act": member.activation,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "projection_dim": shared,
        },
        vision_config={
            "hidden_size": vision,
            "intermediate_size": MLP.get(vision, 4 * vision),
            "num_hidden_layers": vision_blocks,
            "num_attention_heads": vision // WIDE_HEADS.get(vision, 64),
            "image_size": member.image,
            "patch_size": member.patch,
            "hidden_act": member.activation,
            "projection_dim": shared,
        },
        projection_dim=shared,
    )


def write(member: Member, folder: Path) -> tuple[str, int]:
    """Save a model with random weights; return the value of `--model`, and the number of weights."""
    torch.manual_seed(0)
    model = CLIPModel(configuration(member))
    count = sum(parameter.numel() for parameter in model.parameters())
    folder.mkdir()
    load_toy_tokenizer().save_pretrained(folder)
    if member.arch is not None:
        save_file(to_open_clip(model.state_dict()), folder / "open_clip_model.safetensors")
        return f"open_clip:{member.arch}/{folder / 'open_clip_model.safetensors'}", count
    model.save_pretrained(folder)
    side = member.image
    CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}).save_pretrained(folder)
    return str(folder), count


@dataclass(frozen=True)
class Options:
    """Options of the command."""

    only: str | None = cli.option(None, "parts of names, with commas: those alone", metavar="L/14,H/14")
    json: str | None = cli.option(None, "write the results here, with the machine's description", metavar="FILE")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options = cli.parse(Options, PROG, (__doc__ or "").partition("\n")[2].strip(), "", argv)
    return cli.run(lambda: run(options), on_interrupt=lambda: "nothing was kept")


def run(options: Options) -> int:
    """Measure each architecture, show the results, and write them.

    Raises:
        UserError: no architecture has such a name.
    """
    check_writable(options.json)
    wanted = [part.strip() for part in options.only.split(",")] if options.only else [""]
    if unknown := [part for part in wanted if not any(part in name for name in FAMILY)]:
        raise UserError(f"--only: no architecture is called '{unknown[0]}'; known: {', '.join(FAMILY)}")
    machine = measure_machine() if options.json is not None else None
    models: dict[str, dict[str, Any]] = {}
    for name, member in FAMILY.items():
        if not any(part in name for part in wanted):
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            folder = Path(place)
            model, count = write(member, folder / "model")
            gc.collect()
            write_concadia(folder / "data", PAIRS, typical_lengths(), np.random.default_rng(0))
            layer = SIZES[member.size][3] - 1
            size = SIZES[member.size][2] // 8
            command = ["--layers", str(layer), "--sizes", str(size), "--jobs", "1", "--attributed", "2"]
            if member.arch is not None:  # its default end of text is the last of CLIP's own tokens
                command += ["--tokenizer", "toy"]
            cost = sweep_cost(model, folder / "data", folder / "run", folder / "cache", command)
        models[name] = {"weights": count, "layer": layer, "seconds": cost.seconds, "peak": cost.peak}
        print(
            f"{name}: {count / 1e6:.0f} million weights; layer {layer}, {size} directions: {cost.seconds / 60:.1f} min"
            f", at most {cost.peak / 1e9:.1f} GB",
            flush=True,
        )
        if machine is not None:  # after each architecture, since the last ones take hours
            write_results(options.json, PROG, machine, {"pairs": PAIRS, "models": models})
    return 0


if __name__ == "__main__":
    sys.exit(main())

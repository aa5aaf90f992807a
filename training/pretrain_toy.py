"""`python -m training.pretrain_toy`: make the embedded toy CLIP from a seed.

A contrastive run (Radford et al. 2021, section 2.3) on scenes of `interp.data.toy`. Each picture comes with one
text, a description with probability `share`. That share decides which kind of text the finished model prefers;
a controller turns it after every look at the validation scenes so that the base ends undecided, and the
checkpoint is chosen on the validation scenes. The test scenes are only reported on.
"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import CLIPModel, PreTrainedTokenizerFast

from interp import cli
from interp.clip.model import unit_images, unit_texts
from interp.clip.toy_model import build_model, build_tokenizer, save
from interp.data import toy
from interp.data.toy_pictures import Scene, render
from interp.errors import UserError
from interp.runs.folder import check_folder, to_json, write_atomic


@dataclass(frozen=True)
class Phase:
    """One stretch of training: warm-up, then a cosine to zero.

    Attributes:
        partial: share of texts that name only some attributes; they make prompts of one attribute no surprise.
        control_from: part of the stretch after which the share of descriptions is controlled.
        gain: how far a look turns that share, per unit of preference that is off.
        looked_at: validation pairs at each look; the retrieval sets are in proportion.
        alike: in every second batch, scenes come in groups of this size, alike but for one object attribute and one
            cue, with whole texts of one kind. Random scenes are told apart by any few words; alike ones take each.
    """

    steps: int
    lr: float
    warmup: int
    partial: float
    control_from: float
    gain: float
    looked_at: int
    alike: int = 1


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of the run; written to `pretraining.json` beside the weights."""

    main: Phase = Phase(4000, 1e-3, 200, partial=0.15, control_from=0.3, gain=0.1, looked_at=512)
    finish: Phase = Phase(1000, 4e-4, 50, partial=0.6, control_from=0.1, gain=0.2, looked_at=1024, alike=8)
    batch_size: int = 128
    weight_decay: float = 0.05
    share: float = 0.68  # of descriptions, until it is controlled
    look_every: int = 50
    seed: int = 0


def pixels(scenes: list[Scene], rng: np.random.Generator) -> Tensor:
    """Rendered scenes as the image processor would give them: float32, (n, 3, 64, 64), -1 to 1."""
    stacked = np.stack([render(scene, rng) for scene in scenes])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def embed_texts(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> Tensor:
    """Unit-norm embeddings of texts, shape (n, embed), with their graph."""
    # The tower is causal and EOT comes last: what the padding holds cannot matter, so there is no mask.
    return unit_texts(model, tokenizer(texts, padding=True, return_tensors="pt")["input_ids"])


@torch.inference_mode()
def measure(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, split: str, *, n: int, rounds: int, seed: int
) -> dict[str, float]:
    """What a base model is judged by, on scenes of one split.

    Args:
        n: pairs for the preference and the zero-shot tasks.
        rounds: sets of 64 distinct scenes for retrieval.

    Returns:
        Shares from 0 to 1: preference, retrieval per kind of text, zero-shot accuracy per attribute.
    """
    model.eval()
    rng = np.random.default_rng([seed, 7])
    scenes = toy.sample_scenes(split, n, rng)
    images = torch.cat([unit_images(model, pixels(scenes[i : i + 128], rng)) for i in range(0, n, 128)])
    kinds = {"description": toy.DESCRIPTIONS, "caption": toy.CAPTIONS}
    scores = {
        kind: (images * embed_texts(model, tokenizer, [toy.write(t, s, rng) for s in scenes])).sum(-1)
        for kind, t in kinds.items()
    }
    gap = scores["description"] - scores["caption"]
    out = {"preference": (gap > 0).float().mean().item(), "gap_mean": gap.mean().item(), "gap_sd": gap.std().item()}
    hits = dict.fromkeys(kinds, 0.0)
    for _ in range(rounds):
        chosen = toy.distinct_scenes(split, 64, rng)
        image = unit_images(model, pixels(chosen, rng))
        for kind, templates in kinds.items():
            text = embed_texts(model, tokenizer, [toy.write(templates, s, rng) for s in chosen])
            hits[kind] += ((image @ text.T).argmax(1) == torch.arange(64)).float().mean().item() / rounds
    out |= {f"retrieval_{kind}": share for kind, share in hits.items()}
    for name in toy.PROMPTS:
        out[f"zeroshot_{name}"] = zero_shot(model, tokenizer, scenes, images, name)
    model.train()
    return out


def zero_shot(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, scenes: list[Scene], images: Tensor, name: str
) -> float:
    """Accuracy of naming one attribute of pictures by its prompts."""
    table = toy.WORDS[name]
    classes = []
    for phrases in table.values():
        texts = [prompt.format(phrase) for prompt in toy.PROMPTS[name] for phrase in phrases]
        classes.append(embed_texts(model, tokenizer, texts).mean(0))
    guessed = (images @ functional.normalize(torch.stack(classes), dim=-1).T).argmax(1)
    truth = torch.tensor([list(table).index(getattr(scene, name)) for scene in scenes])
    return (guessed == truth).float().mean().item()


def training_batch(
    n: int, share: float, partial: float, alike: int, rng: np.random.Generator
) -> tuple[Tensor, list[str]]:
    """Pictures of the train split with one text each, a description with probability `share`; see `Phase`."""
    scenes = toy.alike_scenes("train", n, alike, rng) if alike > 1 else toy.sample_scenes("train", n, rng)
    texts: list[str] = []
    for number, scene in enumerate(scenes):
        if number % alike == 0:  # a group's texts are of one kind
            describe = rng.random() < share
        whole = toy.DESCRIPTIONS if describe else toy.CAPTIONS
        part = toy.PARTIAL_DESCRIPTIONS if describe else toy.PARTIAL_CAPTIONS
        texts.append(toy.write(part if rng.random() < partial else whole, scene, rng))
    return pixels(scenes, rng), texts


def badness(looked: dict[str, float]) -> float:
    """How far a checkpoint is from an able and undecided base; lower is better."""
    abilities = [value for key, value in looked.items() if key.startswith(("retrieval", "zeroshot"))]
    return abs(looked["preference"] - 0.5) + sum(max(0.0, 0.9 - value) for value in abilities)


def contrastive_loss(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, images: Tensor, texts: list[str]) -> Tensor:
    """CLIP's symmetric cross-entropy over a batch (Radford et al. 2021, figure 3)."""
    logits = unit_images(model, images) @ embed_texts(model, tokenizer, texts).T * model.logit_scale.exp()
    target = torch.arange(len(images))
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def train_phase(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, config: PretrainConfig, phase: Phase, share: float,
    rng: np.random.Generator, log: Path,
) -> tuple[float, int]:  # fmt: skip
    """Train, and leave the model at the checkpoint that did best on the validation scenes.

    Returns:
        The share of descriptions at the end, and the step that was kept.
    """
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=phase.lr, betas=(0.9, 0.98), eps=1e-6, fused=True,
    )  # fmt: skip
    best, best_step = math.inf, 0
    kept: dict[str, Tensor] = {}
    for step in tqdm(range(1, phase.steps + 1), desc="pretrain", mininterval=5):
        rate = min(1.0, step / phase.warmup)
        rate *= 0.5 * (1 + math.cos(math.pi * max(0, step - phase.warmup) / (phase.steps - phase.warmup)))
        for group in optimizer.param_groups:
            group["lr"] = phase.lr * rate
        alike = phase.alike if step % 2 else 1
        partial = phase.partial if alike == 1 else 0.0
        images, texts = training_batch(config.batch_size, share, partial, alike, rng)
        loss = contrastive_loss(model, tokenizer, images, texts)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100.0))
        if step % config.look_every == 0 or step == phase.steps:
            n = phase.looked_at
            looked = measure(model, tokenizer, "val", n=n, rounds=n // 128, seed=config.seed)
            if step >= phase.control_from * phase.steps:
                share = float(np.clip(share + phase.gain * (0.5 - looked["preference"]), 0.1, 0.9))
            record = {"step": step, "loss": loss.item(), "share": share, **looked}
            tqdm.write(" ".join(f"{key}={value:.3g}" for key, value in record.items()))
            with log.open("a") as file:
                file.write(json.dumps(record) + "\n")
            if badness(looked) <= best:
                best, best_step = badness(looked), step
                kept = {key: value.detach().clone() for key, value in model.state_dict().items()}
    model.load_state_dict(kept)
    model.half().float()  # what is shipped: weights that half precision holds exactly
    return share, best_step


def pretrain(config: PretrainConfig, folder: Path) -> dict[str, Any]:
    """Make the toy CLIP and save it; the same configuration gives the same weights on the same machine.

    Returns:
        The report that is saved beside the model: configuration, checkpoints, measures on `val` and on `test`.
    """
    torch.manual_seed(config.seed)  # transformers initializes from the global generator
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "pretraining.jsonl"
    log.unlink(missing_ok=True)
    started, share, chosen = time.time(), config.share, []
    for number, phase in enumerate((config.main, config.finish)):
        rng = np.random.default_rng([config.seed, number] if number else config.seed)
        share, step = train_phase(model, tokenizer, config, phase, share, rng, log)
        chosen.append(step)
    report = {"config": asdict(config), "chosen_steps": chosen, "minutes": round((time.time() - started) / 60, 1)}
    for split in ("val", "test"):
        report[split] = measure(model, tokenizer, split, n=4096, rounds=40, seed=config.seed + 1)
    save(model, tokenizer, folder)
    write_atomic(folder / "pretraining.json", to_json(report))
    return report


@dataclass(frozen=True)
class Options:
    """What the command takes."""

    out: str = cli.option("toy-clip", "folder for the model")
    seed: int = cli.option(0, "of weights, scenes and texts")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    about = "Make the embedded toy CLIP: about an hour on two cores."
    options = cli.parse(Options, "python -m training.pretrain_toy", about, "", argv)

    def body() -> int:
        if options.seed < 0:
            raise UserError(f"--seed must not be negative, got {options.seed}")
        check_folder(Path(options.out))
        print(json.dumps(pretrain(PretrainConfig(seed=options.seed), Path(options.out)), indent=2))
        return 0

    return cli.run(body, on_interrupt=lambda: "nothing was kept; start again")


if __name__ == "__main__":
    sys.exit(main())

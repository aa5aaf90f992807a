"""`python -m training.pretrain_toy`: make the embedded toy CLIP from a seed.

The model is trained on scenes and charts (`interp.data.toy`), in stretches. First the image tower learns to classify
the attributes of pictures. Then this tower is locked, and the other weights learn to match pictures and texts (Zhai et
al. 2022, "LiT"); without the first stretch, shapes are distinguished only after hours on a CPU. Then the whole model
learns to match (Radford et al. 2021, section 2.3). The last stretch balances the two kinds of text. A batch holds
pictures of one world; every third step has a batch of charts after its batch of scenes.

In all stretches with texts, each picture has one text, a description with probability `share`. The share decides which
kind the finished model prefers. A controller adjusts the share of each world after looks at the validation split, so
that the base prefers neither kind. The checkpoint is chosen on the validation split. The test split is only reported.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from interp import cli
from interp.clip.families import family_of
from interp.clip.model import unit_images
from interp.clip.toy_model import build_model, learn_tokenizer, save
from interp.data.norms import load_norm
from interp.data.toy.writing import KINDS
from interp.errors import UserError
from interp.runs.content import to_json
from interp.runs.files import write_atomic
from interp.runs.folder import check_folder
from training.pretrain_looks import embed_texts, measure
from training.pretrain_worlds import CHARTS, SCENES, WORLDS, World


@dataclass(frozen=True)
class Phase:
    """Stretch of training: warm-up, then a cosine to zero.

    Attributes:
        partial: share of texts that name only some attributes, so that the model learns prompts of one attribute.
        control_from: part of the stretch after which the share of descriptions is controlled.
        gain: change of that share at a look, per unit of distance of the preference from 0.5.
        looked_at: number of validation pairs at each look; the number of retrieval sets is in proportion.
        alike: size of the groups of scenes in every second batch. The scenes of a group differ in at most one attribute
            of the object and one other attribute, so each word matters. Their texts are full, and of one kind.
        locked: True to keep the image tower fixed; its projection is always trained.
        look_every: number of steps between looks at the validation scenes.
    """

    steps: int
    lr: float
    warmup: int
    partial: float
    control_from: float
    gain: float
    looked_at: int
    alike: int = 1
    locked: bool = False
    look_every: int = 100


@dataclass(frozen=True)
class LabelPhase:
    """Stretch of training in which the image tower learns from labels: warm-up, then a cosine to zero."""

    steps: int
    lr: float
    warmup: int


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of the run, which are written to `pretraining.json` next to the weights."""

    seeing: LabelPhase = LabelPhase(2400, 1e-3, 50)
    main: Phase = Phase(1800, 1e-3, 200, partial=0.25, control_from=0.1, gain=0.1, looked_at=512, locked=True)
    finish: Phase = Phase(850, 4e-4, 50, partial=0.5, control_from=0.1, gain=0.2, looked_at=1024, alike=8)
    settle: Phase = Phase(
        200, 2e-4, 20, partial=0.5, control_from=0.0, gain=1.0, looked_at=1024, alike=8, look_every=25
    )
    batch_size: int = 128
    charts_every: int = 3  # steps between batches of charts
    charts_batch_size: int = 64  # their texts are four times as long as those of scenes
    charts_looked_at: int = 256  # validation pairs of charts at each look
    first_words: int = 2  # words of each list in the first texts; few words are learnt soon, and more are then added
    widen_from: int = 100  # step after which words are added
    widen_every: int = 10  # steps between two added words
    token_rate: float = 5.0  # ratio of the token embeddings' learning rate to the other rate; most tokens are rare
    weight_decay: float = 0.05
    share: float = 0.65  # share of descriptions, until it is controlled
    seed: int = 0

    def reach(self, step: int, phase: Phase) -> int | None:
        """Return the number of words of each list in use at a step of the main phase; None for all, in later phases."""
        if phase is not self.main:
            return None
        return self.first_words + max(0, step - self.widen_from) // self.widen_every


def corpus(seed: int) -> Iterator[str]:
    """Yield the texts that the tokenizer is learnt from: texts of both worlds, and the English words of MRC."""
    rng = np.random.default_rng([seed, 3])
    for world, n in ((SCENES, 20_000), (CHARTS, 4_000)):
        for content in world.sample("train", n, rng):
            yield from (text.text for text in world.write_pair(content, rng))
    yield from (word for word in load_norm("imageability").ratings for _ in range(8))


def _training_batch(
    world: World, n: int, share: float, partial: float, alike: int, reach: int | None, rng: np.random.Generator
) -> tuple[Tensor, list[str]]:
    """Return pictures of the train split with one text each, a description with probability `share`; see `Phase`."""
    contents = world.alike("train", n, alike, rng) if alike > 1 else world.sample("train", n, rng)
    texts: list[str] = []
    for number, content in enumerate(contents):
        if number % alike == 0:  # a group's texts are of one kind
            kind = KINDS[0] if rng.random() < share else KINDS[1]
        texts.append(world.write(kind, content, rng, partial=rng.random() < partial, reach=reach).text)
    return world.pixels(contents, rng), texts


def _badness(looked: Mapping[str, Mapping[str, float]]) -> float:
    """Return the distance of a checkpoint from an able and undecided base, summed over worlds; lower is better."""
    return sum(
        abs(measures["preference"] - 0.5)
        + sum(max(0.0, 0.9 - value) for key, value in measures.items() if key.startswith(("retrieval", "zeroshot")))
        for measures in looked.values()
    )


def learn_to_see(model: Any, config: PretrainConfig, rng: np.random.Generator) -> None:
    """Train the image tower with a linear classifier of each attribute on top; the classifiers are discarded."""
    seeing = config.seeing
    sizes = {world.name: [len(values) for values in world.seen.values()] for world in WORLDS}
    family = family_of(model)
    tower, _ = family.whole(model, "vision")
    heads = {name: torch.nn.Linear(family.width(model, "vision"), sum(of_world)) for name, of_world in sizes.items()}
    parameters = [*tower.parameters(), *(weight for head in heads.values() for weight in head.parameters())]
    optimizer = torch.optim.AdamW(parameters, lr=seeing.lr, betas=(0.9, 0.98), fused=True)
    for step in (bar := tqdm(range(1, seeing.steps + 1), desc="see", mininterval=5)):
        _set_rates(optimizer, seeing.lr, step, seeing)
        optimizer.zero_grad()
        for world, n in _batches(config, step):
            contents = world.sample("train", n, rng)
            features = tower(world.pixels(contents, rng)).pooler_output
            scores = heads[world.name](features).split(sizes[world.name], dim=1)
            targets = world.labels(contents).T
            loss = torch.stack([functional.cross_entropy(*pair) for pair in zip(scores, targets, strict=True)]).mean()
            loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


def _batches(config: PretrainConfig, step: int) -> list[tuple[World, int]]:
    """Return the worlds that a step has batches of, and the sizes of the batches."""
    charts = [(CHARTS, config.charts_batch_size)] if step % config.charts_every == 0 else []
    return [(SCENES, config.batch_size), *charts]


def _set_rates(optimizer: torch.optim.Optimizer, lr: float, step: int, stretch: Phase | LabelPhase) -> None:
    """Set the learning rate of a step: a warm-up, then a cosine to zero, multiplied by a group's `times`."""
    rate = min(1.0, step / stretch.warmup)
    rate *= 0.5 * (1 + math.cos(math.pi * max(0, step - stretch.warmup) / (stretch.steps - stretch.warmup)))
    for group in optimizer.param_groups:
        group["lr"] = lr * rate * group.get("times", 1.0)


def _contrastive_loss(model: Any, tokenizer: Any, images: Tensor, texts: list[str]) -> Tensor:
    """Return CLIP's symmetric cross-entropy over a batch (Radford et al. 2021, figure 3)."""
    logits = unit_images(model, images) @ embed_texts(model, tokenizer, texts).T * model.logit_scale.exp()
    target = torch.arange(len(images))
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def train_phase(
    model: Any,
    tokenizer: Any,
    config: PretrainConfig,
    phase: Phase,
    shares: Mapping[str, float],
    rng: np.random.Generator,
    log: Path,
) -> tuple[dict[str, float], int]:
    """Train, and load the checkpoint with the best measures on the validation split.

    Returns:
        World -> share of descriptions at the end, and the step of the checkpoint.
    """
    shares = dict(shares)
    family_of(model).whole(model, "vision")[0].requires_grad_(not phase.locked)
    tokens = family_of(model).table(model).weight
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1 and p is not tokens]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
            {"params": [tokens], "weight_decay": config.weight_decay, "times": config.token_rate},
        ],
        lr=phase.lr,
        betas=(0.9, 0.98),
        eps=1e-6,
        fused=True,
    )
    best, best_step = math.inf, 0
    kept: dict[str, Tensor] = {}
    for step in tqdm(range(1, phase.steps + 1), desc="pretrain", mininterval=5):
        _set_rates(optimizer, phase.lr, step, phase)
        optimizer.zero_grad()
        losses = {}
        for world, n in _batches(config, step):
            whole = step // (config.charts_every if world is CHARTS else 1) % 2
            alike = phase.alike if whole else 1
            partial = phase.partial if alike == 1 else 0.0
            reach = config.reach(step, phase)
            images, texts = _training_batch(world, n, shares[world.name], partial, alike, reach, rng)
            loss = _contrastive_loss(model, tokenizer, images, texts)
            loss.backward()
            losses[world.name] = loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100.0))
        if step % phase.look_every == 0 or step == phase.steps:
            looked = {}
            for world, n in ((SCENES, phase.looked_at), (CHARTS, config.charts_looked_at)):
                measures = measure(model, tokenizer, "val", n=n, rounds=n // 128, seed=config.seed, world=world)
                if step >= phase.control_from * phase.steps:
                    turned = shares[world.name] + phase.gain * (0.5 - measures["preference"])
                    shares[world.name] = float(np.clip(turned, 0.1, 0.9))
                looked[world.name] = measures
                state = {"loss": losses.get(world.name), "share": shares[world.name]}
                record = {"world": world.name, "step": step, **state, **measures}
                tqdm.write(" ".join(f"{key}={_short_text(value)}" for key, value in record.items()))
                with log.open("a") as file:
                    file.write(json.dumps(record) + "\n")
            if _badness(looked) <= best:
                best, best_step = _badness(looked), step
                kept = {key: value.detach().clone() for key, value in model.state_dict().items()}
    model.load_state_dict(kept)
    model.half().float()  # weights that half precision holds exactly, as in the shipped file
    return shares, best_step


def _short_text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def pretrain(config: PretrainConfig, folder: Path) -> dict[str, Any]:
    """Train the toy CLIP and save it.

    A configuration always gives the same weights on the same machine.

    Returns:
        Report that is saved next to the model: configuration, checkpoints, measures on `val` and on `test`.
    """
    torch.manual_seed(config.seed)  # transformers initializes from the global generator
    tokenizer = learn_tokenizer(corpus(config.seed))
    model = build_model(tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "pretraining.jsonl"
    log.unlink(missing_ok=True)
    started, chosen = time.time(), []
    shares = {world.name: config.share for world in WORLDS}
    learn_to_see(model, config, np.random.default_rng([config.seed, 4]))
    for number, phase in enumerate((config.main, config.finish, config.settle)):
        rng = np.random.default_rng([config.seed, number] if number else config.seed)
        shares, step = train_phase(model, tokenizer, config, phase, shares, rng, log)
        chosen.append(step)
    report = {"config": asdict(config), "chosen_steps": chosen, "minutes": round((time.time() - started) / 60, 1)}
    for split in ("val", "test"):
        report[split] = {
            world.name: measure(model, tokenizer, split, n=size, rounds=40, seed=config.seed + 1, world=world)
            for world, size in ((SCENES, 4096), (CHARTS, 1024))
        }
    save(model, tokenizer, folder)
    write_atomic(folder / "pretraining.json", to_json(report))
    return report


@dataclass(frozen=True)
class Options:
    """Options of the command."""

    out: str = cli.option("toy-clip", "folder for the model")
    seed: int = cli.option(0, "seed of weights, scenes and texts")


def main(argv: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    about = "Train the embedded toy CLIP, in an hour on two cores."
    options = cli.parse(Options, "python -m training.pretrain_toy", about, "", argv)

    def body() -> int:
        if options.seed < 0:
            raise UserError(f"--seed must be 0 or more, not {options.seed}")
        check_folder(Path(options.out))
        print(json.dumps(pretrain(PretrainConfig(seed=options.seed), Path(options.out)), indent=2))
        return 0

    return cli.run(body, on_interrupt=lambda: "nothing was kept; start again")


if __name__ == "__main__":
    sys.exit(main())

"""Models and texts of the benchmarks: CLIP's sizes with random weights, and texts as long as those of Concadia."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from interp.clip.loading import load_clip
from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Embeddings, Tensor
from interp.clip.toy_model import load_toy_tokenizer
from interp.data.concadia import load_concadia
from interp.data.toy import pairs as toy
from interp.data.toy.texts import vocabulary

CONTEXT = 77
MEAN_LOG, SPREAD_LOG = 2.8, 0.6  # mean and standard deviation of the logarithm of a text's length
PIECES = 1.3  # mean number of tokens of a word in CLIP's vocabulary, which is not available offline


def random_clip(config: CLIPConfig) -> Clip:
    """Return a model of a given size with random weights; tokenizer and processor, which are unused, are the toy's."""
    torch.manual_seed(0)
    model = CLIPModel(config).eval().requires_grad_(False)
    eot = int(model.config.text_config.eos_token_id)
    return replace(load_clip("toy"), name="random weights", model=model, eot=eot)


def vit_b32() -> Clip:
    """Return ViT-B/32, whose sizes are transformers' defaults."""
    return random_clip(CLIPConfig())


def concadia_lengths(folder: Path) -> list[int]:
    """Return the lengths of the texts of Concadia or a sample of it in tokens, BOS and EOT included.

    The lengths are estimated from the numbers of words.
    """
    pairs = load_concadia(folder).pairs
    texts = [text for pair in pairs for text in (pair.positive, pair.negative)]
    return [min(CONTEXT, 2 + round(PIECES * len(text.split()))) for text in texts]


def typical_lengths() -> list[int]:
    """Return lengths with about the distribution of Concadia's, for use without a sample."""
    drawn = np.exp(np.random.default_rng(0).normal(MEAN_LOG, SPREAD_LOG, size=1000))
    return [int(n) for n in drawn.round().clip(3, CONTEXT)]


def text_lengths(concadia: str | None) -> list[int]:
    """Return `concadia_lengths` of a folder, or `typical_lengths` if the folder is None."""
    return concadia_lengths(Path(concadia)) if concadia is not None else typical_lengths()


def random_tokens(clip: Clip, lengths: Sequence[int], draw: np.random.Generator) -> Tokens:
    """Return meaningless texts of the given lengths in tokens, BOS and EOT included; each token is a word."""
    eot = torch.tensor(lengths) - 1
    config = clip.model.config.text_config
    ids = torch.from_numpy(draw.integers(1000, config.vocab_size - 2, size=(len(eot), int(eot.max()) + 1)))
    places = torch.arange(ids.shape[1])
    ids = torch.where(places >= eot[:, None], clip.eot, ids)
    ids[:, 0] = config.bos_token_id
    inside = (places >= 1) & (places < eot[:, None])
    word_of = torch.where(inside, places - 1, -1)
    words = tuple(tuple(map(str, row[1:end].tolist())) for row, end in zip(ids, eot.tolist(), strict=True))
    return Tokens(ids, eot, words, word_of, 0)


def random_images(clip: Clip, n: int) -> Embeddings:
    """Return random unit-norm embeddings in place of images."""
    drawn: Tensor = torch.randn(n, clip.embed_dim, generator=torch.Generator().manual_seed(1))
    return functional.normalize(drawn, dim=-1).to(clip.device)


def write_model(folder: Path, clip: Clip) -> None:
    """Write a model folder that `--model` accepts, with the toy's tokenizer and CLIP's default image settings."""
    small = load_clip("toy")
    clip.model.config.text_config.eos_token_id = small.eot
    clip.model.save_pretrained(folder)
    small.tokenizer.save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)  # with the defaults, which are CLIP's


def write_concadia(folder: Path, pairs: int, lengths: Sequence[int], draw: np.random.Generator) -> None:
    """Write data in Concadia's format: pictures of the toy world, and texts of its words with the given token counts.

    Descriptions have other words than captions, so that there is something to search for.
    """
    world, tokenizer = toy.load_toy(), load_toy_tokenizer()
    words = [word for word in vocabulary() if len(tokenizer.tokenize(word)) == 1]
    (folder / "resized").mkdir(parents=True)
    splits = np.repeat(["train", "val", "test"], [pairs - 2 * (pairs // 10), pairs // 10, pairs // 10])
    items = []
    for number, split in enumerate(splits.tolist()):
        name = f"{number}.png"
        world.open_image(world.pairs[number % len(world.pairs)]).save(folder / "resized" / name)
        texts_of_kinds = [" ".join(draw.choice(words[kind::2], size=draw.choice(lengths) - 2)) for kind in range(2)]
        texts = {"description": {"raw": texts_of_kinds[0]}, "caption": {"raw": texts_of_kinds[1]}}
        items.append({"article_id": str(number), "filename": name, "split": split, **texts})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))

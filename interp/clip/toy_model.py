"""Untrained form of the embedded toy CLIP: its architecture, tokenizer and image settings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path

from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from interp.data.toy.pictures import SIZE

BOS, EOT = "<|startoftext|>", "<|endoftext|>"
CONTEXT = 77
END = "</w>"  # suffix of the last piece of a word
_MERGES = 2800
ASSETS = files("interp.data").joinpath("assets", "toy-clip")


def learn_tokenizer(texts: Iterable[str], merges: int = _MERGES) -> CLIPTokenizer:
    """Return CLIP's tokenizer (lower case, byte pairs in words; Sennrich et al. 2016) with merges learnt from texts.

    The vocabulary has OpenAI's layout: every byte, every byte at the end of a word, the merges in their order, BOS, and
    EOT, which is also the padding. Every text thus has pieces, and no piece is unknown.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    empty = _tokenizer([])
    learner = Tokenizer(models.BPE(end_of_word_suffix=END))
    learner.normalizer, learner.pre_tokenizer = (
        empty.backend_tokenizer.normalizer,
        empty.backend_tokenizer.pre_tokenizer,
    )
    size = len(empty) - 2 + merges  # an upper bound; the trainer counts only the bytes that it meets
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        end_of_word_suffix=END,
        show_progress=False,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        # Otherwise the bytes at the end of a word have the order of a hash table, and ties follow this order.
        special_tokens=[letter + END for letter in sorted(pre_tokenizers.ByteLevel.alphabet())],
    )
    learner.train_from_iterator(texts, trainer)
    learnt = json.loads(learner.to_str())["model"]["merges"]
    return _tokenizer([tuple(pair) for pair in learnt[:merges]])


def _tokenizer(merges: list[tuple[str, str]]) -> CLIPTokenizer:
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + END for letter in letters), *("".join(pair) for pair in merges), BOS, EOT]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=CONTEXT)  # type: ignore[arg-type]  # it takes pairs


def load_toy_tokenizer() -> CLIPTokenizer:
    """Load the tokenizer that the embedded toy CLIP was trained with."""
    with as_file(ASSETS) as folder:
        tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer


def build_model(tokenizer: CLIPTokenizer) -> CLIPModel:
    """Return a CLIP of 3.3 M parameters: 12 text blocks of width 128, 4 vision blocks of width 96, 64-pixel images."""
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": CONTEXT,
        "projection_dim": 128,
        **special,
    }
    vision = {
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIZE,
        "patch_size": 8,
        "projection_dim": 128,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))


def save(model: CLIPModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write weights (safetensors, half precision), configuration, tokenizer and image processor settings."""
    model.half().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)
    write_image_settings(folder)


def write_image_settings(folder: Path) -> None:
    """Write `preprocessor_config.json`: 64 pixels, values from -1 to 1."""
    settings = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": SIZE},
        "do_center_crop": True,
        "crop_size": {"height": SIZE, "width": SIZE},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "do_convert_rgb": True,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")

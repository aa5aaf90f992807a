"""Tokenizers and image processors of models, and checks that they fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.clip.errors import ModelError
from interp.clip.families import family_of
from interp.clip.files import check_files, loading_fault
from interp.clip.names import OPEN_CLIP, locate, open_clip_file
from interp.clip.open_clip import CONFIG, read_config
from interp.clip.soundness import check_preprocessing
from interp.errors import quoted

if TYPE_CHECKING:
    from transformers import CLIPModel


def load_tokenizer(name: str, chosen: str | None, where: str, revision: str) -> Any:
    """Load the tokenizer of a model, or the tokenizer that the user chose instead."""
    from transformers import AutoTokenizer

    if chosen is not None:
        where, revision = locate(chosen)
        check_files(chosen, where, revision)
    if Path(where).is_dir() and not any((Path(where) / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        raise ModelError(
            f"'{chosen or name}' has no tokenizer; copy its tokenizer into the folder, or choose a tokenizer: toy, a "
            "folder or a hub id"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, revision=revision, trust_remote_code=False)
        tokenizer(["a word"])
        return tokenizer
    except Exception as error:
        raise ModelError(f"cannot load the tokenizer of '{chosen or name}': {loading_fault(error)}") from error


# OpenAI's configurations name token 2 as the end of text; transformers then reads a text at its highest id instead.
_LEGACY_EOT = 2


def check_tokenizer(name: str, model: CLIPModel, tokenizer: Any, *, chosen: str | None, notes: list[str]) -> int:
    """Return the id of the end-of-text token, and check that transformers reads texts at this token.

    If the user chose another tokenizer for a model, the model's end-of-text id may be changed to the tokenizer's.

    Raises:
        ModelError: the tokenizer has no end-of-text token, has ids without an embedding, or ends texts elsewhere than
            where transformers reads them.
    """
    eot, size = tokenizer.eos_token_id, family_of(model).table(model).num_embeddings
    if eot is None:
        raise ModelError(f"the tokenizer of '{chosen or name}' has no end-of-text token (eos_token)")
    ids = sorted(map(int, tokenizer.get_vocab().values()))
    if ids[-1] >= size:
        raise ModelError(f"the tokenizer has {ids[-1] + 1} tokens, but '{name}' only {size}; choose another tokenizer")
    # Special tokens in a text are read letter by letter (`tokenize`). Only the tokens below surround or pad a text.
    used = {tokenizer.bos_token_id, eot, tokenizer.unk_token_id, tokenizer.pad_token_id}
    unused = set(tokenizer.all_special_ids) - used
    highest = max(number for number in ids if number not in unused)
    expected = model.text_model.eos_token_id
    if expected == _LEGACY_EOT and highest > eot:
        highest = max(eot, *(used - {None}), *_spelled(tokenizer, [number for number in ids if number not in unused]))
    if eot == (highest if expected == _LEGACY_EOT else expected):
        return int(eot)
    if chosen is not None and eot != _LEGACY_EOT:
        model.text_model.eos_token_id = eot
        text_config: Any = model.config.text_config
        text_config.eos_token_id = eot
        notes.append(f"tokenizer '{chosen}' ends texts with token {eot}, so the model now reads texts there")
        return int(eot)
    if expected != _LEGACY_EOT:
        raise ModelError(
            f"'{name}' reads texts at token {expected}, but its tokenizer ends texts with {eot}; choose another "
            "tokenizer"
        )
    token = tokenizer.convert_ids_to_tokens(highest)
    raise ModelError(
        f"'{name}' has eos_token_id {_LEGACY_EOT}, so transformers reads a text at its highest id, but its tokenizer "
        f"ends texts with {eot} and also has {highest} ({quoted(token)}); choose a tokenizer whose last token ends "
        "texts"
    )


def _spelled(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """Return the ids among `ids` that can occur in a text.

    A byte-pair tokenizer forms each token from a single character or by merging two tokens. A token that is neither a
    character, nor the result of a merge, nor added later, only pads the vocabulary. With other tokenizers, any token
    can occur in a text.
    """
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    if parts["model"].get("type") != "BPE":
        return list(ids)
    merges = (pair.split(" ") if isinstance(pair, str) else pair for pair in parts["model"]["merges"])
    made = {"".join(pair) for pair in merges} | {each["content"] for each in parts["added_tokens"]}
    end = parts["model"].get("end_of_word_suffix") or ""
    tokens = zip(ids, tokenizer.convert_ids_to_tokens(list(ids)), strict=True)
    return [number for number, token in tokens if token in made or len(token.removesuffix(end)) <= 1]


def load_processor(name: str, where: str, revision: str, model: CLIPModel, notes: list[str]) -> Any:
    """Load the image processor of a model, and add a note if CLIP's own preprocessing is assumed."""
    from PIL import Image
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    side = family_of(model).side(model)
    sizes: dict[str, Any] = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    if name.startswith(OPEN_CLIP):
        settings = read_config(open_clip_file(name)[1])[1]
        if not settings:
            notes.append(f"'{name}' has no {CONFIG} next to it: CLIP's own preprocessing at {side} pixels is used")
        processor = CLIPImageProcessorPil(**sizes, **settings)
        check_preprocessing(name, processor)
        return processor
    if Path(where).is_dir() and not any(
        (Path(where) / file).is_file() for file in ("preprocessor_config.json", "processor_config.json")
    ):
        notes.append(f"'{name}' has no preprocessor_config.json: CLIP's own preprocessing at {side} pixels is used")
        return CLIPImageProcessorPil(**sizes)
    try:
        processor = CLIPImageProcessorPil.from_pretrained(where, revision=revision)
        check_preprocessing(name, processor)
        tried = processor([Image.new("RGB", (40, 30))], return_tensors="pt")["pixel_values"]
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"cannot load the image preprocessing of '{name}': {loading_fault(error)}") from error
    if tuple(tried.shape) != (1, 3, side, side):
        raise ModelError(
            f"the image preprocessing of '{name}' gives {tried.shape[-1]} x {tried.shape[-2]} pixels, but its vision "
            f"tower takes {side} x {side}; set size and crop_size in its preprocessor_config.json"
        )
    return processor

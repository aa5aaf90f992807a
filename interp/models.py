"""Load a CLIP and embed with it; with `interp.towers`, the only file that knows how transformers lays CLIP out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.nn import functional

from interp.errors import UserError
from interp.tensors import Embeddings, Float, Int, Pixels, Tensor

if TYPE_CHECKING:
    from PIL.Image import Image
    from transformers import CLIPModel

Tower = Literal["text", "vision"]


class ModelError(UserError):
    """The model cannot be loaded or used as asked; the message is one line with the mend."""


@dataclass(frozen=True)
class Clip:
    """A CLIP ready to use.

    Attributes:
        name: as the user wrote it.
        model: a `transformers.CLIPModel` in evaluation mode, frozen.
        tokenizer, processor: transformers' own; the processor makes pixel values of PIL images.
        eot: id of the end-of-text token.
        fingerprint: changes with the weights, the tokenizer or the image processing.
        notes: sentences the user should read (preprocessing that was assumed).
    """

    name: str
    model: CLIPModel
    tokenizer: Any
    processor: Any
    eot: int
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def logit_scale(self) -> float:
        """exp(logit_scale), by which a score is multiplied to give a logit."""
        return float(self.model.logit_scale.detach().exp())

    def depth(self, tower: Tower) -> int:
        """Number of blocks of a tower, which is its last layer."""
        return int(self._config(tower).num_hidden_layers)

    def width(self, tower: Tower) -> int:
        """Width d of a tower's residual stream."""
        return int(self._config(tower).hidden_size)

    @property
    def context(self) -> int:
        """Longest text in tokens, BOS and EOT included."""
        return int(self._config("text").max_position_embeddings)

    @property
    def embed_dim(self) -> int:
        """Width of the space that images and texts share."""
        return int(self.model.text_projection.out_features)

    def _config(self, tower: Tower) -> Any:
        return getattr(self.model.config, f"{tower}_config")


@dataclass(frozen=True)
class Tokens:
    """Tokenized texts.

    Attributes:
        ids: token ids, padded with EOT behind each text's own EOT.
        eot: index of each text's first end-of-text token.
        words: the words of each text, lower case, in order.
        word_of: for each token the index of its word in `words`, -1 for BOS, EOT and padding.
        truncated: how many texts were cut to the model's context.
    """

    ids: Int[Tensor, "n t"]
    eot: Int[Tensor, " n"]
    words: tuple[tuple[str, ...], ...]
    word_of: Int[Tensor, "n t"]
    truncated: int

    def __len__(self) -> int:
        return len(self.eot)

    def take(self, rows: Int[Tensor, " m"]) -> Tokens:
        """The texts of some rows, padded no further than the longest of them."""
        longest = int(self.eot[rows].max()) + 1 if len(rows) else 0
        words = tuple(self.words[i] for i in rows.tolist())
        return Tokens(self.ids[rows, :longest], self.eot[rows], words, self.word_of[rows, :longest], self.truncated)


def load_clip(
    name: str, *, tokenizer: str | None = None, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Clip:
    """Load a CLIP for inference, weights frozen.

    Args:
        name: ``toy`` (embedded), a local folder as `save_pretrained` writes it, or a hub id ``owner/name``,
            optionally ``owner/name@revision``. Only a hub id ever reaches the network.
        tokenizer: where to take the tokenizer from, if not from the model; the same kinds of name.
        device: as torch names it.
        dtype: of weights and arithmetic.

    Raises:
        ModelError: no such model, not a CLIP, files missing or damaged, no safetensors, or a tokenizer
            that does not fit.
    """
    from transformers import CLIPConfig, CLIPModel

    where, revision = _locate(name)
    _quiet()
    try:
        config = CLIPConfig.from_pretrained(where, revision=revision)
        if config.model_type != "clip" or "text_config" not in _raw_config(where, config):
            raise ModelError(f"'{name}' is not a CLIP: its config.json says model_type '{config.model_type}'")
        found: Any = CLIPModel.from_pretrained(
            where, revision=revision, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
        model: CLIPModel = found[0]
        loaded: dict[str, Any] = found[1]
        # transformers would fill what is missing with random numbers
        if absent := sorted(key for kind in ("missing_keys", "mismatched_keys") for key in map(str, loaded[kind])):
            raise ModelError(f"the weights of '{name}' do not fit: {len(absent)} are missing, the first is {absent[0]}")
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"cannot load the model '{name}': {_first_line(error)}") from error
    model = model.eval().requires_grad_(False)
    try:
        torch.nn.Module.to(model, device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"cannot use the device '{device}': {_first_line(error)}") from error
    text_tokenizer = _load_tokenizer(name, tokenizer, where, revision)
    notes: list[str] = []
    eot = _check_tokenizer(name, model, text_tokenizer, chosen=tokenizer, notes=notes)
    processor = _load_processor(name, where, revision, model, notes)
    return Clip(
        name, model, text_tokenizer, processor, eot, _fingerprint(model, text_tokenizer, processor), tuple(notes)
    )


def _locate(name: str) -> tuple[str, str]:
    """Turn a model's name into what transformers takes, and a revision."""
    if name == "toy":
        return str(files("interp.data").joinpath("assets", "toy-clip")), "main"
    if os.path.isdir(name):  # unlike Path.is_dir, never raises
        if not (Path(name) / "config.json").is_file():
            raise ModelError(f"the folder '{name}' holds no config.json; expected what save_pretrained writes")
        return name, "main"
    hub, _, revision = name.partition("@")
    if hub.count("/") != 1 or hub.startswith((".", "/", "~")):
        raise ModelError(
            f"no model '{name}': neither 'toy', nor a folder, nor a hub id such as openai/clip-vit-base-patch32"
        )
    return hub, revision or "main"


def _raw_config(where: str, config: Any) -> dict[str, Any]:
    """The config as its file has it: transformers fills a foreign one up with defaults, unasked."""
    path = Path(where) / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else config.to_dict()


def _quiet() -> None:
    """Keep transformers' progress bars and advice out of a terminal that shows ours."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _load_tokenizer(name: str, chosen: str | None, where: str, revision: str) -> Any:
    from transformers import AutoTokenizer

    if chosen is not None:
        where, revision = _locate(chosen)
    if Path(where).is_dir() and not any((Path(where) / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        raise ModelError(
            f"'{chosen or name}' has no tokenizer; copy one into its folder, or name one with --tokenizer "
            "(toy, a folder or a hub id)"
        )
    try:
        return AutoTokenizer.from_pretrained(where, revision=revision)
    except Exception as error:
        raise ModelError(f"cannot load the tokenizer of '{chosen or name}': {_first_line(error)}") from error


def _check_tokenizer(name: str, model: CLIPModel, tokenizer: Any, *, chosen: str | None, notes: list[str]) -> int:
    """Make sure that tokenizer and model mean the same token by end-of-text; return its id."""
    eot, size = tokenizer.eos_token_id, model.text_model.embeddings.token_embedding.num_embeddings
    if eot is None:
        raise ModelError(f"the tokenizer of '{chosen or name}' has no end-of-text token (eos_token)")
    if len(tokenizer) > size:
        raise ModelError(f"the tokenizer has {len(tokenizer)} tokens, '{name}' only {size}; name one that fits")
    expected = model.text_model.eos_token_id
    legacy = expected == 2 and eot == size - 1  # OpenAI's configs say 2; transformers then pools at the highest id
    if eot != expected and not legacy:
        if chosen is None:
            raise ModelError(
                f"'{name}' pools at token {expected}, its tokenizer ends texts with {eot}; they must agree"
            )
        model.text_model.eos_token_id = eot
        text_config: Any = model.config.text_config
        text_config.eos_token_id = eot
        notes.append(f"tokenizer '{chosen}' ends texts with token {eot}; the model was told so")
    return int(eot)


def _load_processor(name: str, where: str, revision: str, model: CLIPModel, notes: list[str]) -> Any:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    if Path(where).is_dir() and not any(
        (Path(where) / file).is_file() for file in ("preprocessor_config.json", "processor_config.json")
    ):
        side = int(model.vision_model.embeddings.image_size)
        notes.append(f"'{name}' has no preprocessor_config.json: CLIP's own preprocessing at {side} pixels is used")
        return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    try:
        return CLIPImageProcessorPil.from_pretrained(where, revision=revision)
    except Exception as error:
        raise ModelError(f"cannot load the image preprocessing of '{name}': {_first_line(error)}") from error


def _fingerprint(model: CLIPModel, tokenizer: Any, processor: Any) -> str:
    state = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        state.update(key.encode())
        state.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    settings = {key: value for key, value in processor.to_dict().items() if not key.startswith("_")}
    state.update(json.dumps(settings, sort_keys=True, default=str).encode())
    state.update(tokenizer.backend_tokenizer.to_str().encode())
    return state.hexdigest()[:16]


def tokenize(clip: Clip, texts: Sequence[str]) -> Tokens:
    """Tokenize texts, cut to the model's context with EOT kept, and find EOT strictly.

    Raises:
        ModelError: a text has no end-of-text token.
    """
    if not texts:
        empty = torch.zeros(0, 0, dtype=torch.long)
        return Tokens(empty, torch.zeros(0, dtype=torch.long), (), empty, 0)
    encoded = clip.tokenizer(list(texts), return_offsets_mapping=True, verbose=False)
    ids: list[list[int]] = []
    word_of: list[list[int]] = []
    words: list[tuple[str, ...]] = []
    truncated = 0
    for i, (text, row, offsets) in enumerate(zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)):
        tail = [clip.eot] if len(row) > clip.context else []
        truncated += bool(tail)
        row = row[: clip.context - 1] + tail if tail else row
        if clip.eot not in row:
            raise ModelError(f"text {i} has no end-of-text token after tokenization: {text[:60]!r}")
        end = row.index(clip.eot)
        spans: dict[int, tuple[int, int]] = {}
        owner = []
        for position, word in enumerate(encoded.word_ids(i)[:end]):
            if word is None:
                owner.append(-1)
                continue
            start, stop = offsets[position]
            first, last = spans.get(word, (start, stop))
            spans[word] = (min(first, start), max(last, stop))
            owner.append(list(spans).index(word))
        ids.append(row[: end + 1])
        word_of.append([*owner, -1])
        words.append(tuple(text[start:stop].lower() for start, stop in spans.values()))
    return Tokens(
        _pad(ids, clip.eot), torch.tensor([len(row) - 1 for row in ids]), tuple(words), _pad(word_of, -1), truncated
    )


def _pad(rows: list[list[int]], value: int) -> Tensor:
    out = torch.full((len(rows), max(map(len, rows))), value)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row)
    return out


def length_batches(eot: Int[Tensor, " n"], size: int) -> list[Tensor]:
    """Rows in batches of at most `size` texts of similar length, so that little padding is computed."""
    return list(torch.argsort(eot, stable=True).split(size))


def pixel_values(clip: Clip, images: Sequence[Image]) -> Pixels:
    """What the vision tower takes, for PIL images; on the model's device."""
    batch = clip.processor([image.convert("RGB") for image in images], return_tensors="pt")
    return batch["pixel_values"].to(clip.device, clip.model.dtype)


@torch.inference_mode()
def embed_texts(clip: Clip, texts: Sequence[str], *, batch_size: int = 128) -> Embeddings:
    """Unit-norm text embeddings, shape (n, embed), by transformers' own forward pass."""
    tokens = tokenize(clip, texts)
    out = torch.empty(len(tokens), clip.embed_dim, device=clip.device, dtype=clip.model.dtype)
    for rows in length_batches(tokens.eot, batch_size):
        ids = tokens.take(rows).ids.to(clip.device)
        out[rows] = functional.normalize(clip.model.get_text_features(input_ids=ids).pooler_output, dim=-1)
    return out


@torch.inference_mode()
def embed_images(clip: Clip, images: Iterable[Image], *, batch_size: int = 32) -> Embeddings:
    """Unit-norm image embeddings, shape (n, embed), on the CPU; images are opened a batch at a time."""
    parts: list[Tensor] = []
    batch: list[Image] = []

    def flush() -> None:
        if batch:
            features = clip.model.get_image_features(pixel_values=pixel_values(clip, batch)).pooler_output
            parts.append(functional.normalize(features, dim=-1).cpu())
            batch.clear()

    for image in images:
        batch.append(image)
        if len(batch) == batch_size:
            flush()
    flush()
    return torch.cat(parts) if parts else torch.empty(0, clip.embed_dim)


def scores(images: Embeddings, texts: Embeddings) -> Float[Tensor, " n"]:
    """Cosine of each image with the text of the same row, both unit-norm."""
    return (images * texts).sum(-1)


def clipscore(cosines: np.ndarray | Tensor) -> Any:
    """2.5 x max(score, 0) (Hessel et al. 2021, eq. 1)."""
    return 2.5 * cosines.clip(min=0)

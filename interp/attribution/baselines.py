"""Baselines of path integrals: token ids with less content than the text, at the same length."""

from __future__ import annotations

import torch

from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Bool, Int, Tensor
from interp.data.words import is_content


def padding(clip: Clip) -> int:
    """Return the id of the neutral token: the tokenizer's padding, or EOT if the tokenizer has no padding token."""
    pad = clip.tokenizer.pad_token_id
    return clip.eot if pad is None else int(pad)


def default_baselines(clip: Clip, tokens: Tokens) -> Int[Tensor, "n t"]:
    """Return BOS, padding up to the text's EOT, and EOT: an empty text of the same length."""
    ids = torch.full_like(tokens.ids, padding(clip))
    ids[:, :1] = tokens.ids[:, :1]
    after = torch.arange(ids.shape[1]) >= tokens.eot[:, None]
    return torch.where(after, tokens.ids, ids)


def content_baselines(clip: Clip, tokens: Tokens) -> Int[Tensor, "n t"]:
    """Return the ids of the text with padding for every token of a content word.

    Function words, punctuation and digits are kept. The default baseline is far from any text, but this baseline keeps
    the frame of a text. An attribution that is equal under both baselines depends on neither of them (Sturmfels,
    Lundberg & Lee 2020 on the choice of a baseline).
    """
    return torch.where(content_tokens(tokens), padding(clip), tokens.ids)


def content_tokens(tokens: Tokens) -> Bool[Tensor, "n t"]:
    """Return for each token whether it is part of a content word."""
    rows = [
        [owner >= 0 and is_content(words[owner]) for owner in owners]
        for words, owners in zip(tokens.words, tokens.word_of.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=torch.bool).view(tokens.word_of.shape)

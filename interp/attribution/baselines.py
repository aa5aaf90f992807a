"""Starts of path integrals: token ids that say less than the text, at the same length."""

from __future__ import annotations

import torch

from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Bool, Int, Tensor
from interp.data.words import is_content


def padding(clip: Clip) -> int:
    """Id of the token that stands for nothing: the tokenizer's padding, or EOT where it has none."""
    pad = clip.tokenizer.pad_token_id
    return clip.eot if pad is None else int(pad)


def default_baselines(clip: Clip, tokens: Tokens) -> Int[Tensor, "n t"]:
    """BOS, padding up to the text's EOT, EOT: nothing is said, at the same length."""
    ids = torch.full_like(tokens.ids, padding(clip))
    ids[:, :1] = tokens.ids[:, :1]
    after = torch.arange(ids.shape[1]) >= tokens.eot[:, None]
    return torch.where(after, tokens.ids, ids)


def content_baselines(clip: Clip, tokens: Tokens) -> Int[Tensor, "n t"]:
    """The text with padding for every token of a content word; function words, punctuation and digits stay.

    The first baseline is far from any text; this one keeps a text's frame. What a word adds under both does not hang
    on either (Sturmfels, Lundberg & Lee 2020 on the choice of a baseline).
    """
    return torch.where(content_tokens(tokens), padding(clip), tokens.ids)


def content_tokens(tokens: Tokens) -> Bool[Tensor, "n t"]:
    """Return whether each token is a piece of a content word."""
    rows = [
        [owner >= 0 and is_content(words[owner]) for owner in owners]
        for words, owners in zip(tokens.words, tokens.word_of.tolist(), strict=True)
    ]
    return torch.tensor(rows, dtype=torch.bool).view(tokens.word_of.shape)

"""Certification of the cached engine on one batch of texts, with this model, on this device, in this dtype.

A swap that must change nothing changes no bit. A swap that must change the result changes it. Counterfactuals equal
those of a hook in transformers' own forward pass.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

import torch

from interp.check import plain
from interp.check.findings import Finding, distance, tolerance, with_basis
from interp.clip.errors import ModelError
from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, Tokens, tokenize
from interp.clip.sites import Site
from interp.clip.swap import swap
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation, random_basis

PAIRS = 8  # number of pairs whose texts a sweep is certified with


class NotCertified(ModelError):
    """Error of a failed certification; the message names the fault, its size and the remedy."""


def certified_pairs(clip: Clip, features: EmbeddedPairs, layers: Iterable[int]) -> dict[str, float]:
    """Return the errors of `certify` on both texts of the first pairs, by the name of the comparison.

    Raises:
        NotCertified: an error is too large.
    """
    findings = certify(clip, features.take(range(min(PAIRS, len(features)))).tokens_for(clip), layers)
    if failed := [finding for finding in findings if not finding.ok]:
        dtype = str(clip.model.dtype).removeprefix("torch.")
        command = f"python -m interp.check {shlex.quote(clip.name)} --device {clip.device} --dtype {dtype}"
        raise NotCertified(
            f"{clip.name} on {clip.device} in {dtype} is not certified ({failed[0].complaint}): its numbers would be "
            f"wrong; use another device, or fix the fault that '{command}' shows"
        )
    return {finding.what: finding.error for finding in findings}


@torch.inference_mode()
def certify(clip: Clip, texts: Sequence[str] | Tokens, layers: Iterable[int]) -> list[Finding]:
    """Compare the engine on a batch with itself and with a plain hook.

    Args:
        clip: model.
        texts: at least two different texts, or their tokens; each text gets Z of another text.
        layers: layers of the text tower. Streams are compared at each layer. Interventions are compared only at the
            lowest layer, from which they pass through every block above.

    Raises:
        ModelError: all texts are the same to the model.
        SiteError: the text tower does not have a layer.
    """
    kept = sorted(set(layers))
    layer, width, model = kept[0], clip.width("text"), clip.model
    tokens = _different(texts if isinstance(texts, Tokens) else tokenize(clip, texts))
    if len(tokens) < 2:
        raise ModelError(
            f"to certify {clip.name}, two different texts are needed, but the model cannot tell these texts apart"
        )
    run = clean_texts(clip, tokens, [Site("text", at) for at in kept])
    order = torch.arange(len(tokens)).roll(1)
    source, site = run.take(order), Site("text", layer)
    half, whole = (
        Rotation(random_basis(width, size, torch.Generator().manual_seed(0)), site) for size in (-(-width // 2), width)
    )
    unchanged = run.push(site, run.stream(site))
    itself, changed = interchange(run, run, half), interchange(run, source, half)
    empty = interchange(run, source, Rotation(torch.zeros(width, 0), site))
    filled = swap(run.stream(site), source.stream(site), whole.basis)

    clean = plain.texts(model, tokens.ids)
    streams = plain.end_streams(model, tokens.ids, tokens.eot, kept)
    base, given = streams[layer], streams[layer][order]
    hooked = plain.counterfactuals(
        model, tokens.ids, tokens.eot, layer, plain.swapped(base, given, half.basis.to(base))
    )
    farthest = max(distance(run.stream(Site("text", at)), streams[at]) for at in kept)
    depth, apart = clip.depth("text"), distance(changed, hooked)
    allowed, allowed_of_basis = tolerance(model.dtype, depth), tolerance(with_basis(model.dtype), depth)
    least = float((changed - clean).double().norm(dim=-1).min())
    noise = min(max(apart, torch.finfo(model.dtype).eps), allowed)
    return [
        Finding("a text swapped with itself, against itself", distance(itself, unchanged), 0.0),
        Finding("an empty subspace, against the base", distance(empty, clean), allowed),
        Finding("the whole stream, against the source's", distance(filled, given), allowed_of_basis),
        Finding("what half of the stream changes", least, noise, least=True),
        Finding("streams, against transformers", farthest, allowed),
        Finding("counterfactuals, against a plain hook", apart, allowed),
    ]


def _different(tokens: Tokens) -> Tokens:
    """Return the texts that the model can tell apart, each once, the shortest first, as the engine orders them."""
    ends, first = tokens.eot.tolist(), dict[tuple[int, ...], int]()
    for row, ids in enumerate(tokens.ids.tolist()):
        first.setdefault(tuple(ids[: ends[row] + 1]), row)
    return tokens.take(torch.tensor(sorted(first.values(), key=lambda row: ends[row]), dtype=torch.long))

"""Forward pass of an open_clip checkpoint, derived from the layout of its weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.toy_model import load_toy_tokenizer

State = dict[str, Tensor]
SIZES = (128, 2, 192, 3)  # vision width and blocks, text width and blocks: heads of 64
CONTEXT, SHARED = 40, 24


def random_state(seed: int = 0) -> State:
    """Return random weights with the names and the layout of open_clip."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    vocabulary = len(load_toy_tokenizer())
    vision, vision_blocks, text, text_blocks = SIZES
    state = {
        "token_embedding.weight": draw(vocabulary, text),
        "positional_embedding": draw(CONTEXT, text, scale=0.3),
        "ln_final.weight": 1 + draw(text, scale=0.1),
        "ln_final.bias": draw(text, scale=0.1),
        "text_projection": draw(text, SHARED),
        "logit_scale": torch.tensor(4.0),
        "visual.class_embedding": draw(vision),
        "visual.positional_embedding": draw(10, vision, scale=0.3),
        "visual.conv1.weight": draw(vision, 3, 16, 16, scale=0.1),
        "visual.proj": draw(vision, SHARED),
    }
    for name in ("visual.ln_pre", "visual.ln_post"):
        state |= {f"{name}.weight": 1 + draw(vision, scale=0.1), f"{name}.bias": draw(vision, scale=0.1)}
    for start, width, blocks in (("visual.", vision, vision_blocks), ("", text, text_blocks)):
        for i in range(blocks):
            block = f"{start}transformer.resblocks.{i}"
            for norm in ("ln_1", "ln_2"):
                state |= {
                    f"{block}.{norm}.weight": 1 + draw(width, scale=0.1),
                    f"{block}.{norm}.bias": draw(width, scale=0.1),
                }
            state |= {
                f"{block}.attn.in_proj_weight": draw(3 * width, width, scale=0.08),
                f"{block}.attn.in_proj_bias": draw(3 * width, scale=0.1),
                f"{block}.attn.out_proj.weight": draw(width, width, scale=0.05),
                f"{block}.attn.out_proj.bias": draw(width, scale=0.1),
                f"{block}.mlp.c_fc.weight": draw(4 * width, width, scale=0.05),
                f"{block}.mlp.c_fc.bias": draw(4 * width, scale=0.1),
                f"{block}.mlp.c_proj.weight": draw(width, 4 * width, scale=0.05),
                f"{block}.mlp.c_proj.bias": draw(width, scale=0.1),
            }
    return state


def forward(state: State, start: str, x: Tensor, *, quick: bool, causal: bool) -> Tensor:
    """Run the blocks of a tower head by head, as the names of the weights imply."""

    def norm(name: str, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    def activation(x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x) if quick else x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    width, i = x.shape[-1], 0
    while f"{start}transformer.resblocks.{i}.ln_1.weight" in state:
        block = f"{start}transformer.resblocks.{i}"
        normed = norm(f"{block}.ln_1", x)
        q, k, v = (normed @ state[f"{block}.attn.in_proj_weight"].T + state[f"{block}.attn.in_proj_bias"]).chunk(3, -1)
        mixed = []
        for head in range(width // 64):
            part = slice(64 * head, 64 * head + 64)
            logits = q[..., part] @ k[..., part].transpose(-1, -2) / 8
            if causal:
                logits = logits + torch.full(logits.shape[-2:], -torch.inf).triu(1)
            mixed.append(logits.softmax(-1) @ v[..., part])
        x = x + torch.cat(mixed, -1) @ state[f"{block}.attn.out_proj.weight"].T + state[f"{block}.attn.out_proj.bias"]
        inner = norm(f"{block}.ln_2", x) @ state[f"{block}.mlp.c_fc.weight"].T + state[f"{block}.mlp.c_fc.bias"]
        x = x + activation(inner) @ state[f"{block}.mlp.c_proj.weight"].T + state[f"{block}.mlp.c_proj.bias"]
        i += 1
    return norm("ln_final" if start == "" else "visual.ln_post", x)


def by_layout(state: State, ids: Tensor, pixels: Tensor, *, quick: bool) -> tuple[Tensor, Tensor]:
    """Return unit-norm embeddings of texts and images."""
    x = state["token_embedding.weight"][ids] + state["positional_embedding"][: ids.shape[1]]
    x = forward(state, "", x, quick=quick, causal=True)
    texts = x[torch.arange(len(ids)), ids.argmax(1)] @ state["text_projection"]  # EOT has the highest id
    patches = functional.conv2d(pixels, state["visual.conv1.weight"], stride=16).flatten(2).transpose(1, 2)
    first = state["visual.class_embedding"].expand(len(pixels), 1, -1)
    x = torch.cat([first, patches], 1) + state["visual.positional_embedding"]
    x = functional.layer_norm(x, x.shape[-1:], state["visual.ln_pre.weight"], state["visual.ln_pre.bias"])
    images = forward(state, "visual.", x, quick=quick, causal=False)[:, 0] @ state["visual.proj"]
    return functional.normalize(texts, dim=-1), functional.normalize(images, dim=-1)

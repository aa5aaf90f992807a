"""Interface of a model family: everything that the engine, the attributors and the checks need from a model.

A model embeds texts and images in one space by two towers of pre-norm blocks: h + attention(LN(h)), then + MLP(LN(.)).
The text tower is read at EOT, the last token of a text; the vision tower is read at CLS, its first position. A family
names the parts of its models, and states whether its towers are causal. The engine does the rest. Above a site of a
causal text tower, only EOT runs again. Above any other site, all positions run again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import nn

from interp.clip.changes import Change
from interp.clip.tensors import Float, Int, Pixels, Tensor

Tower = Literal["text", "vision"]


@dataclass(frozen=True)
class Names:
    """Names of the modules of one tower.

    Attributes:
        whole: the tower, and its projection into the space that texts and images share.
        blocks: the list of blocks.
        norm: the layer norm between the last block and the projection.
        causal: True if a position attends only to itself and to earlier positions.
    """

    whole: tuple[str, str]
    blocks: str
    norm: str
    causal: bool


@dataclass(frozen=True, eq=False)
class AttentionParts:
    """Attention of a block; `scale` multiplies its logits."""

    q_proj: nn.Module
    k_proj: nn.Module
    v_proj: nn.Module
    out_proj: nn.Module
    num_heads: int
    head_dim: int
    scale: float


@dataclass(frozen=True, eq=False)
class MlpParts:
    """MLP of a block: fc2(activation_fn(fc1(x)))."""

    fc1: nn.Module
    activation_fn: nn.Module
    fc2: nn.Module


@dataclass(frozen=True, eq=False)
class BlockParts:
    """Block of a tower, with the norms before attention and MLP."""

    layer_norm1: nn.LayerNorm
    self_attn: AttentionParts
    layer_norm2: nn.LayerNorm
    mlp: MlpParts
    stream_changes: tuple[Change, ...] = ()


class Family(ABC):
    """Kind of models that have `config`, `device`, `dtype` and `logit_scale`, as transformers' CLIP has.

    Attributes:
        name: name of the family, for messages.
        model: name of the class of its models.
        towers: names of modules of each tower.
        embeddings: name of the module that makes layer 0 of the text tower from `input_ids`, or from `inputs_embeds`.
        tokens: name of the table of token embeddings.
    """

    name: str
    model: str
    towers: ClassVar[Mapping[Tower, Names]]
    embeddings: str
    tokens: str

    def causal(self, tower: Tower) -> bool:
        """Return whether a position of a tower attends to itself and to earlier positions only."""
        return self.towers[tower].causal

    def blocks(self, model: nn.Module, tower: Tower) -> Any:
        """Return the modules of a tower's blocks; `blocks[l - 1]` returns the stream after layer l."""
        return model.get_submodule(self.towers[tower].blocks)

    def parts(self, block: Any) -> Any:
        """Return the parts of a block by the names of `BlockParts`, which transformers' own blocks also use."""
        return block

    def whole(self, model: nn.Module, tower: Tower) -> tuple[nn.Module, Any]:
        """Return a tower, and its projection into the space that texts and images share."""
        body, projection = self.towers[tower].whole
        return model.get_submodule(body), model.get_submodule(projection)

    def project(self, model: nn.Module, tower: Tower, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n embed"]:
        """Return the embeddings, not normalized, of the last layer at EOT or CLS."""
        return self.whole(model, tower)[1](model.get_submodule(self.towers[tower].norm)(h))

    def layer_0(self, model: nn.Module) -> nn.Module:
        """Return the module whose output is layer 0 of the text tower."""
        return model.get_submodule(self.embeddings)

    def table(self, model: nn.Module) -> Any:
        """Return the table of token embeddings."""
        return model.get_submodule(self.tokens)

    def depth(self, model: nn.Module, tower: Tower) -> int:
        """Return the number of blocks of a tower."""
        return len(self.blocks(model, tower))

    def width(self, model: nn.Module, tower: Tower) -> int:
        """Return the width of a tower's residual stream."""
        norm: Any = model.get_submodule(self.towers[tower].norm)
        return int(norm.normalized_shape[0])

    def embed_dim(self, model: nn.Module) -> int:
        """Return the width of the space that texts and images share."""
        return int(self.whole(model, "text")[1].out_features)

    @abstractmethod
    def context(self, model: Any) -> int:
        """Return the number of tokens of the longest text, BOS and EOT included."""

    @abstractmethod
    def side(self, model: Any) -> int:
        """Return the side of an image in pixels."""

    @abstractmethod
    def embed_patches(self, model: Any, pixels: Pixels) -> Float[Tensor, "n p d"]:
        """Return layer 0 of the vision tower: CLS and patches with their positions."""

    @abstractmethod
    def text_features(self, model: Any, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n embed"]:
        """Embed texts, padded behind EOT, by the model's own forward pass; embeddings are not normalized."""

    @abstractmethod
    def image_features(self, model: Any, pixels: Pixels) -> Float[Tensor, "n embed"]:
        """Embed images by the model's own forward pass; embeddings are not normalized."""

    def for_pyvene(self) -> dict[type[nn.Module], list[tuple[str, str, str]]]:
        """Return the entries of the family for pyvene's tables; empty by default.

        Returns:
            Model class -> one tuple for each tower: the prefix of component names, the path of the list of blocks, and
            the prefix of the tower's widths in the configuration.
        """
        return {}

"""CLIP as transformers has it: a causal text tower that is read at EOT, a vision tower that is read at CLS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from interp.clip.families.family import Family, Names
from interp.clip.tensors import Float, Int, Pixels, Tensor

if TYPE_CHECKING:
    from transformers import CLIPModel


class _Clip(Family):
    """Family of `transformers.CLIPModel`."""

    name, model = "CLIP", "CLIPModel"
    towers: ClassVar = {
        "text": Names(
            ("text_model", "text_projection"), "text_model.encoder.layers", "text_model.final_layer_norm", causal=True
        ),
        "vision": Names(
            ("vision_model", "visual_projection"),
            "vision_model.encoder.layers",
            "vision_model.post_layernorm",
            causal=False,
        ),
    }
    embeddings, tokens = "text_model.embeddings", "text_model.embeddings.token_embedding"

    def context(self, model: CLIPModel) -> int:
        """See `Family.context`."""
        config: Any = model.config.text_config
        return int(config.max_position_embeddings)

    def side(self, model: CLIPModel) -> int:
        """See `Family.side`."""
        return int(model.vision_model.embeddings.image_size)

    def embed_patches(self, model: CLIPModel, pixels: Pixels) -> Float[Tensor, "n p d"]:
        """See `Family.embed_patches`; the layer is normalized."""
        return model.vision_model.pre_layrnorm(model.vision_model.embeddings(pixels))

    def text_features(self, model: CLIPModel, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n embed"]:
        """See `Family.text_features`."""
        return model.get_text_features(input_ids=ids).pooler_output

    def image_features(self, model: CLIPModel, pixels: Pixels) -> Float[Tensor, "n embed"]:
        """See `Family.image_features`."""
        return model.get_image_features(pixel_values=pixels).pooler_output

    def for_pyvene(self) -> dict[type[nn.Module], list[tuple[str, str, str]]]:
        """See `Family.for_pyvene`: the whole model, and the models of one tower with and without its projection."""
        import torch
        from transformers import CLIPTextConfig, CLIPVisionConfig
        from transformers.models.clip import modeling_clip as clip

        paths = {tower: names.blocks for tower, names in self.towers.items()}
        entries: dict[type[nn.Module], list[tuple[str, str, str]]] = {
            clip.CLIPModel: [
                ("", paths["text"], "text_config."),
                *((f"{tower}_", path, f"{tower}_config.") for tower, path in paths.items()),
            ]
        }
        for tower, config in (("text", CLIPTextConfig), ("vision", CLIPVisionConfig)):
            alone: type[nn.Module] = getattr(clip, f"CLIP{tower.title()}Model")
            projected: type[nn.Module] = getattr(clip, f"CLIP{tower.title()}ModelWithProjection")
            with torch.device("meta"):
                model = alone(config(hidden_size=8, num_attention_heads=1, num_hidden_layers=1))
            wrapped, inner = hasattr(model, f"{tower}_model"), "encoder.layers"
            entries[projected] = [("", f"{tower}_model.{inner}", "")]
            entries[alone] = [("", f"{tower}_model.{inner}" if wrapped else inner, "")]
            if wrapped:  # before transformers 5.3, the tower is a separate model within this model
                entries[getattr(clip, f"CLIP{tower.title()}Transformer")] = [("", inner, "")]
        return entries


FAMILY = _Clip()

"""The embedded toy CLIP before it has learnt anything: its architecture, tokenizer and image settings."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from interp.data import toy
from interp.data.toy_pictures import SIZE

BOS, EOT, UNK = "<|startoftext|>", "<|endoftext|>", "<|unknown|>"
CONTEXT = 77


def build_tokenizer() -> PreTrainedTokenizerFast:
    """CLIP's text pipeline (lower case, CLIP's splitting, BOS and EOT) over whole words of the toy world.

    Words that the world does not know become one unknown token each. EOT doubles as padding, as in OpenAI's CLIP.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate([UNK, BOS, *toy.vocabulary(), EOT])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)
    tokenizer.post_processor = processors.RobertaProcessing(
        (EOT, vocabulary[EOT]), (BOS, vocabulary[BOS]), trim_offsets=False, add_prefix_space=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOT, pad_token=EOT, unk_token=UNK,
        model_max_length=CONTEXT,
    )  # fmt: skip


def build_model(tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    """A CLIP of 3.2 M parameters: 12 text blocks and 4 vision blocks of width 128, 64-pixel images."""
    special = {
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    text = {
        "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 12, "num_attention_heads": 4,
        "vocab_size": len(tokenizer), "max_position_embeddings": CONTEXT, "projection_dim": 128, **special,
    }  # fmt: skip
    vision = {
        "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
        "image_size": SIZE, "patch_size": 16, "projection_dim": 128,
    }  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))


def save(model: CLIPModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights (safetensors, half precision), configuration, tokenizer and image processor settings."""
    model.half().save_pretrained(folder)
    model.float()
    tokenizer.save_pretrained(folder)
    write_image_settings(folder)


def write_image_settings(folder: Path) -> None:
    """Write `preprocessor_config.json`: 64 pixels, values from -1 to 1."""
    settings = {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": SIZE},
        "do_center_crop": True, "crop_size": {"height": SIZE, "width": SIZE}, "resample": 3,
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3, "do_convert_rgb": True,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2) + "\n")

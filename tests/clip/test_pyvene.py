"""Tests of pyvene on CLIP after registration: each component against a plain hook on transformers' module."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import pyvene as pv
import torch
from torch import Tensor, nn
from transformers import (
    CLIPModel,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
)

from interp.clip.model import Clip, tokenize
from interp.clip.pyvene import COMPONENTS, register
from interp.clip.sites import Site
from interp.subspaces.as_pyvene import from_pyvene, to_pyvene
from interp.subspaces.clean_run import clean_images, clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation, random_basis
from tests.agreement import agree
from tests.oracles.plain_forward import random_texts

# Component -> module of a block and its side, for a plain hook.
HOOKED = {
    "block_input": ("", "in"),
    "block_output": ("", "out"),
    "attention_input": ("self_attn", "in"),
    "attention_value_output": ("self_attn.out_proj", "in"),
    "attention_output": ("self_attn", "out"),
    "query_output": ("self_attn.q_proj", "out"),
    "key_output": ("self_attn.k_proj", "out"),
    "value_output": ("self_attn.v_proj", "out"),
    "mlp_input": ("mlp", "in"),
    "mlp_activation": ("mlp.activation_fn", "out"),
    "mlp_output": ("mlp", "out"),
}

BLOCK, PLACE, HEAD = 1, 2, 1


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register()
    register()  # the second call changes nothing


@pytest.fixture(scope="module")
def inputs(small: Clip) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the inputs of base and source: three texts and images."""
    tokens = [
        tokenize(small, [text + " red circle square"[: 7 * 2] for text in random_texts(3, seed)]) for seed in (0, 1)
    ]
    length = min(batch.ids.shape[1] for batch in tokens)
    generator = torch.Generator().manual_seed(0)
    made = []
    for batch in tokens:
        ids = batch.ids[:, :length].clone()
        ids[:, -1] = small.eot
        made.append({"input_ids": ids, "pixel_values": torch.randn(3, 3, 64, 64, generator=generator)})
    return made[0], made[1]


def wanted(model: nn.Module, tower: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """Return a function that selects the inputs of a model."""
    keys = {"text": ["input_ids"], "vision": ["pixel_values"], "both": ["input_ids", "pixel_values"]}[tower]
    return lambda inputs: {key: inputs[key] for key in keys}


def by_hand(module: nn.Module, side: str, run: Callable[[], Any], change: Callable[[Tensor], Tensor]) -> Any:
    """Run a model with a change of the input or output of a module, also if a tuple holds the value."""

    def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": change(kwargs["hidden_states"])}

    def after(_module: nn.Module, _args: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = (
        module.register_forward_pre_hook(before, with_kwargs=True)
        if side == "in"
        else module.register_forward_hook(after)
    )
    try:
        return run()
    finally:
        handle.remove()


@torch.no_grad()
def swap_by_hand(model: nn.Module, block: nn.Module, component: str, heads: int, base: dict, source: dict) -> Any:
    """Replace the activation at one position, in one head if the component has heads, by the source's activation."""
    split = component.startswith("head_")
    path, side = HOOKED[component.removeprefix("head_")]
    module = block.get_submodule(path)
    seen: list[Tensor] = []

    def look(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    def replace(x: Tensor) -> Tensor:
        width = x.shape[-1] // heads
        part = slice(HEAD * width, (HEAD + 1) * width) if split else slice(None)
        x = x.clone()
        x[:, PLACE, part] = seen[0][:, PLACE, part]
        return x

    by_hand(module, side, lambda: model(**source), look)
    return by_hand(module, side, lambda: model(**base), replace)


MODELS: dict[str, tuple[type, str, list[str]]] = {
    "CLIPModel": (CLIPModel, "both", ["", "text_", "vision_"]),
    "CLIPTextModel": (CLIPTextModel, "text", [""]),
    "CLIPTextModelWithProjection": (CLIPTextModelWithProjection, "text", [""]),
    "CLIPVisionModel": (CLIPVisionModel, "vision", [""]),
    "CLIPVisionModelWithProjection": (CLIPVisionModelWithProjection, "vision", [""]),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_name", "start"), [(name, start) for name, (_, _, starts) in MODELS.items() for start in starts]
)
def test_every_component_is_where_its_name_says(small: Clip, inputs: Any, model_name: str, start: str):
    kind, tower, _ = MODELS[model_name]
    whole = copy.deepcopy(small.model.config)
    given = whole if tower == "both" else getattr(whole, f"{tower}_config")
    given.projection_dim = small.embed_dim
    torch.manual_seed(0)
    model = kind(given).eval()
    weights = small.model.state_dict()
    if not hasattr(model, "text_model") and not hasattr(model, "vision_model"):  # the class is the tower itself
        weights = {key.removeprefix(f"{tower}_model."): value for key, value in weights.items()}
    assert not model.load_state_dict(weights, strict=False).missing_keys
    base, source = map(wanted(model, tower), inputs)
    side = "vision" if "vision" in (tower, start.rstrip("_")) else "text"
    inner = getattr(model, f"{side}_model", model)
    block = inner.encoder.layers[BLOCK]
    config = getattr(model.config, f"{side}_config", model.config)
    heads, width = config.num_attention_heads, config.hidden_size
    with torch.no_grad():
        clean = model(**base)
    for component in COMPONENTS:
        split = component.startswith("head_")
        unit = "h.pos" if split else "pos"
        representation = pv.RepresentationConfig(BLOCK, start + component, unit, max_number_of_units=1)
        config = pv.IntervenableConfig([representation], intervention_types=pv.VanillaIntervention)
        intervenable = pv.IntervenableModel(config, model=model)
        (intervention,) = intervenable.interventions.values()
        alike = width // heads if split else width
        expected_width = inner.config.intermediate_size if component == "mlp_activation" else alike
        assert int(intervention.embed_dim) == expected_width, component
        places: Any = [[[HEAD]] * 3, [[PLACE]] * 3] if split else [[PLACE]] * 3
        with torch.no_grad():
            _, outputs = intervenable(base, [source], {"sources->base": ([places], [places])})
        expected = swap_by_hand(model, block, component, heads, base, source)
        for key in ("text_embeds", "image_embeds", "last_hidden_state"):
            if key in expected:
                torch.testing.assert_close(outputs[key], expected[key], rtol=0, atol=1e-6)
        key = next(key for key in ("image_embeds", "text_embeds", "last_hidden_state") if key in expected)
        key = {"text": "text_embeds", "vision": "image_embeds"}[side] if model_name == "CLIPModel" else key
        assert not torch.allclose(expected[key], clean[key], rtol=0, atol=1e-5), component


@pytest.mark.parametrize("kind", ["low-rank", "rotated", "boundless"])
def test_the_same_counterfactual_with_pyvene_alone(small: Clip, kind: str):
    """Compare counterfactuals with code for pyvene and transformers alone: at EOT of texts, and at CLS of images."""
    from PIL import Image

    text_basis, vision_basis = (random_basis(width, 5, torch.Generator().manual_seed(0)) for width in (24, 32))
    base, source = random_texts(4, 0), random_texts(4, 1)
    rotation = Rotation(text_basis, Site("text", 3))
    ours = interchange(*(clean_texts(small, texts, [rotation.site]) for texts in (base, source)), rotation)

    config = pv.RepresentationConfig(rotation.site.block, "block_output", intervention=to_pyvene(rotation, kind))
    intervenable = pv.IntervenableModel([config], model=copy.deepcopy(small.model))
    images = [Image.new("RGB", (64, 64), colour) for colour in ("red", "navy", "white", "gold")]
    pixels = small.processor(images, return_tensors="pt")["pixel_values"]
    batches = [small.tokenizer(texts, padding=True, return_tensors="pt") for texts in (base, source)]
    where = [batch["attention_mask"].sum(1) - 1 for batch in batches]
    inputs = [{"input_ids": batch["input_ids"], "pixel_values": pixels} for batch in batches]
    places = [[[[int(place)] for place in positions]] for positions in where]
    with torch.no_grad():
        _, out = intervenable(inputs[0], [inputs[1]], {"sources->base": (places[1], places[0])})
    theirs = out.text_embeds / out.text_embeds.norm(dim=-1, keepdim=True)
    agree("counterfactual, registered", ours, theirs)

    rotation = Rotation(vision_basis, Site("vision", 2))
    run = clean_images(small, images, [rotation.site])
    order = torch.tensor([1, 2, 3, 0])
    ours = interchange(run, run.take(order), rotation)
    config = pv.RepresentationConfig(rotation.site.block, "vision_block_output", intervention=to_pyvene(rotation, kind))
    intervenable = pv.IntervenableModel([config], model=copy.deepcopy(small.model))
    turned = {"input_ids": batches[0]["input_ids"], "pixel_values": pixels[order]}
    with torch.no_grad():
        _, out = intervenable(inputs[0], [turned], {"sources->base": 0})
    theirs = out.image_embeds / out.image_embeds.norm(dim=-1, keepdim=True)
    agree("counterfactual, registered", ours, theirs)


@pytest.fixture
def text_model(small: Clip) -> nn.Module:
    """Return a copy of the text tower, since pyvene removes all hooks of its model."""
    return copy.deepcopy(small.model.text_model)


@torch.no_grad()
def hidden_states(model: nn.Module, ids: Tensor) -> list[Tensor]:
    """Return the hidden state after each block, from separate hooks."""
    seen: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda _module, _args, output: seen.append(output))
        for block in model.encoder.layers
    ]
    model(input_ids=ids)
    for handle in handles:
        handle.remove()
    return seen


def test_what_is_collected_are_hidden_states(text_model: nn.Module, inputs: Any):
    ids = inputs[0]["input_ids"]
    for block, hidden in enumerate(hidden_states(text_model, ids)):
        config = pv.IntervenableConfig(
            [pv.RepresentationConfig(block, "block_output")], intervention_types=pv.CollectIntervention
        )
        (_, collected), _ = pv.IntervenableModel(config, model=text_model)(
            {"input_ids": ids}, unit_locations={"base": 1}, return_dict=False
        )
        streams = torch.cat([part.reshape(-1, 24) for part in collected])
        torch.testing.assert_close(streams, hidden[:, 1], rtol=0, atol=1e-6)


@torch.no_grad()
def test_parts_of_a_stream_and_given_sources(text_model: nn.Module, inputs: Any):
    """Swap two parts of the stream, separately and together, with a source that is given as numbers."""
    ids = inputs[0]["input_ids"]
    given = torch.randn(24, generator=torch.Generator().manual_seed(0))
    representation = pv.RepresentationConfig(1, "block_output", subspace_partition=[[0, 10], [10, 24]])
    config = pv.IntervenableConfig([representation], intervention_types=pv.VanillaIntervention)
    intervenable = pv.IntervenableModel(config, model=text_model)

    def swapped(part: slice) -> Tensor:
        def hook(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
            output = output.clone()
            output[:, 2, part] = given[part]
            return output

        handle = text_model.encoder.layers[1].register_forward_hook(hook)
        result = text_model(input_ids=ids).last_hidden_state
        handle.remove()
        return result

    for parts, expected in (([0], slice(0, 10)), ([1], slice(10, 24)), ([0, 1], slice(None))):
        _, outputs = intervenable(
            {"input_ids": ids}, unit_locations={"base": 2}, source_representations=given, subspaces=[[parts] * len(ids)]
        )
        torch.testing.assert_close(outputs.last_hidden_state, swapped(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["parallel", "serial"])
@torch.no_grad()
def test_several_sources(text_model: nn.Module, inputs: Any, mode: str):
    """Run two sources: in parallel the second source is unchanged; in serial the first source acts on it."""
    base, first = ({"input_ids": batch["input_ids"]} for batch in inputs)
    second = {"input_ids": first["input_ids"].roll(1, 0)}
    config = pv.IntervenableConfig(
        [pv.RepresentationConfig(0, "block_output"), pv.RepresentationConfig(2, "block_output")],
        mode=mode,
        intervention_types=pv.VanillaIntervention,
    )
    intervenable = pv.IntervenableModel(config, model=text_model)
    last = base["input_ids"].shape[1] - 1
    where: Any = {"source_0->source_1": 1, "source_1->base": last}
    if mode == "parallel":
        places = [[[1]] * 3, [[last]] * 3]
        where = {"sources->base": (places, places)}
    _, outputs = intervenable(base, [first, second], where)

    blocks = text_model.encoder.layers
    low = hidden_states(text_model, first["input_ids"])[0][:, 1]

    def put(block: int, place: int, value: Tensor, run: Callable[[], Any]) -> Any:
        def change(x: Tensor) -> Tensor:
            x = x.clone()
            x[:, place] = value
            return x

        return by_hand(blocks[block], "out", run, change)

    if mode == "serial":
        mixed = put(0, 1, low, lambda: hidden_states(text_model, second["input_ids"]))[2][:, last]
        expected = put(2, last, mixed, lambda: text_model(**base))
    else:
        high = hidden_states(text_model, second["input_ids"])[2][:, last]
        expected = put(0, 1, low, lambda: put(2, last, high, lambda: text_model(**base)))
    torch.testing.assert_close(outputs.last_hidden_state, expected.last_hidden_state, rtol=0, atol=1e-6)


def test_saved_by_pyvene_and_loaded(small: Clip, text_model: nn.Module, inputs: Any, tmp_path: Any):
    rotation = Rotation(random_basis(24, 4, torch.Generator().manual_seed(3)), Site("text", 3))
    config = pv.RepresentationConfig(2, "block_output", intervention=to_pyvene(rotation), low_rank_dimension=4)
    intervenable = pv.IntervenableModel([config], model=text_model)
    intervenable.save(str(tmp_path / "saved"))
    again = pv.IntervenableModel.load(str(tmp_path / "saved"), model=text_model)
    (intervention,) = again.interventions.values()
    assert torch.equal(from_pyvene(intervention, rotation.site).basis, rotation.basis)

"""Oracle of the cached engine: interchange interventions by pyvene, with full forward passes and hooks at the site.

pyvene 0.1.8 has no entry for CLIP, but accepts the path of a module as component. Both EOT positions are given for each
pair of texts. Each pyvene forward pass removes all hooks of the model, including those with which transformers records
hidden states. pyvene therefore gets a copy of the model.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from interp.clip.blocks import embed_stream
from interp.clip.tensors import Embeddings, Tensor
from interp.subspaces.rotation import Rotation

if TYPE_CHECKING:
    from interp.subspaces.clean_run import TextRun, VisionRun


def intervenable(clip: Any, rotation: Rotation) -> Any:
    """Return a pyvene `IntervenableModel` of the tower, with the rotation as a `LowRankRotatedSpaceIntervention`.

    Raises:
        ValueError: the rotation is empty; pyvene has no subspace of size 0.
    """
    import pyvene
    from torch.nn.utils import parametrize

    if rotation.size == 0:
        raise ValueError("pyvene has no intervention on a subspace of size 0")
    site = rotation.site
    intervention = pyvene.LowRankRotatedSpaceIntervention(embed_dim=rotation.width, low_rank_dimension=rotation.size)
    # The parametrization cannot represent all bases. The plain weight is the basis itself.
    parametrize.remove_parametrizations(intervention.rotate_layer, "weight")
    intervention.rotate_layer.weight.data = rotation.basis.to(clip.device, clip.model.dtype).clone()
    component = {"component": f"encoder.layers[{site.block}].output", "unit": "pos", "intervention": intervention}
    tower = copy.deepcopy(getattr(clip.model, f"{site.tower}_model"))
    model = pyvene.IntervenableModel(pyvene.IntervenableConfig([component]), model=tower)
    model.set_device(clip.device)
    return model


@torch.inference_mode()
def interchange_pyvene(
    base: TextRun | VisionRun, source: TextRun | VisionRun, rotation: Rotation, *, batch_size: int = 128
) -> Embeddings:
    """Return the result of `interp.interchange`, computed by full forward passes."""
    clip, site = base.clip, rotation.site
    model = intervenable(clip, rotation)
    out = []
    for rows in torch.arange(len(base)).split(batch_size):
        inputs, where = zip(*(_inputs(run.take(rows)) for run in (base, source)), strict=True)
        places = [[[index] for index in positions.tolist()] for positions in where]
        _, result = model(inputs[0], [inputs[1]], {"sources->base": ([places[1]], [places[0]])})
        hidden = result.last_hidden_state
        last = hidden[torch.arange(len(rows)), where[0]]
        # The text model normalizes before it returns, the vision model after it has pooled.
        if site.tower == "text":
            projected = clip.model.text_projection(last)
            out.append(torch.nn.functional.normalize(projected, dim=-1))
        else:
            out.append(embed_stream(clip, "vision", last))
    return torch.cat(out)


def _inputs(run: Any) -> tuple[dict[str, Tensor], Tensor]:
    if run.tower == "vision":
        return {"pixel_values": run.pixels[run.rows]}, torch.zeros(len(run), dtype=torch.long)
    tokens = run.tokens.take(run.rows)
    return {"input_ids": tokens.ids.to(run.clip.device)}, tokens.eot

"""Code that makes an edit with torch, transformers and safetensors alone, for cards."""

from __future__ import annotations

import json

from interp.clip.edits import KINDS
from interp.clip.edits.edit import FILE, Edit
from interp.clip.families.family import Family

_TEXT = {
    "imports": "",
    "auto": "AutoTokenizer",
    "loaded": "tokenizer",
    "place": "{}",
    "find": """\
def find_ends(_module, _args, named):
    ends = (named["input_ids"] == tokenizer.eos_token_id).int().argmax(-1)
    place["at"] = torch.arange(len(ends)), ends


""",
    "register": "model.{whole}.register_forward_pre_hook(find_ends, with_kwargs=True)\n",
    "inputs": '["a red circle"], padding=True, truncation=True',
    "features": "text",
}
_VISION = {
    "imports": "from PIL import Image\n",
    "auto": "AutoImageProcessor",
    "loaded": "processor",
    "place": '{"at": (slice(None), 0)}',
    "find": "",
    "register": "",
    "inputs": 'Image.open("image.png")',
    "features": "image",
}
_CODE = """\
import torch
{hub}{imports}from safetensors.torch import load_file
from transformers import {auto}, {model}

model = {model}.from_pretrained({base}, dtype=torch.float32).eval()
{loaded} = {auto}.from_pretrained({base})
tensors = load_file({file})
place = {place}


{find}def edit(_module, _args, output):
    h = output[place["at"]]
    {names} = (tensors[name].to(h) for name in ({listed}))
    output = output.clone()
    output[place["at"]] = {formula}
    return output


{register}model.{blocks}[{block}].register_forward_hook(edit)

inputs = {loaded}({inputs}, return_tensors="pt")
with torch.no_grad():
    embeddings = model.get_{features}_features(**inputs).pooler_output
embeddings = embeddings / embeddings.norm(dim=-1, keepdim=True)"""


def plain_code(edit: Edit, family: Family, base: str, repo: str | None = None) -> str:
    """Return code that loads a model, edits it by a hook, and embeds a text or an image.

    Args:
        family: family of the model.
        base: folder of the model, or its id on the hub.
        repo: repository of the hub that holds the edit; by default the edit is in the folder of the model.
    """
    name, _, revision = base.partition("@")
    names, kind = family.towers[edit.site.tower], KINDS[edit.kind]
    words = _TEXT if edit.site.tower == "text" else _VISION
    return _CODE.format(
        **words | {"register": words["register"].format(whole=names.whole[0])},
        hub="" if repo is None else "from huggingface_hub import hf_hub_download\n",
        model=family.model,
        base=json.dumps(name) + (f", revision={json.dumps(revision)}" if revision else ""),
        file=json.dumps(f"{base}/{FILE}")
        if repo is None
        else f"hf_hub_download({json.dumps(repo)}, {json.dumps(FILE)})",
        names=", ".join(kind.shapes),
        listed=", ".join(json.dumps(tensor) for tensor in kind.shapes),
        formula=kind.formula,
        blocks=names.blocks,
        block=edit.site.block,
    )

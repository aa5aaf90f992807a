"""`python -m training.export RUN --out FOLDER`: write a fine-tuned model for tools that do not know this package."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp import cli
from interp.cli import argument, option
from interp.cli.options import ModelOptions
from interp.clip.names import check_named
from interp.data.hub import HubError
from interp.errors import UserError, quoted
from interp.runs.folder import RunFolder
from interp.runs.uploading import upload
from training.evaluation.evaluated_model import EvaluatedModel, evaluated_model
from training.evaluation.records import TuningManifest

if TYPE_CHECKING:
    from interp.clip.edits.edit import Edit
    from interp.clip.model import Clip

PROG = "python -m training.export"
_TOY_LICENCE = "apache-2.0"  # licence of this package, which the toy is part of
_FORMATS = ("transformers", "open_clip")
_COMPARED = {  # open_clip need not be installed, so its files are not loaded by open_clip itself
    "transformers": "embeddings by the written model",
    "open_clip": "embeddings by the written weights",
}
_CARD, ROTATION = "README.md", "rotation.safetensors"
DESCRIPTION = """\
Write a fine-tuned model with its adapter merged, so that transformers or open_clip can load it, and a card with the
origin of the model, its measured numbers and their limits. The written weights are read again and compared with the
model; embeddings are equal to 1e-6. An edit is written next to the weights of its base, and the card has code that
applies the edit without this package.
Nothing is uploaded unless --push names a repository, which then gets the files of the folder and nothing else."""
EPILOG = """\
examples:
  python -m training.export runs/iit-das --out models/iit-das
  python -m training.export runs/iit-das --format open_clip --out models/iit-das-open-clip
  python -m training.export edits/describe --out models/describe
  python -m training.export runs/iit-das --out models/iit-das --push me/clip-for-descriptions --private --license mit

files in the folder:
  model.safetensors, config.json, tokenizer and preprocessor files; for open_clip open_clip_model.safetensors,
  open_clip_config.json and the tokenizer; rotation.safetensors and .json, if there is a subspace; edit.safetensors and
  .json, if there is an edit; README.md, a card"""


@dataclass(frozen=True, kw_only=True)
class _ExportConfig(ModelOptions):
    """The export."""

    model: str = argument("fine-tuned run, folder with an edit, or any other model that can be loaded", metavar="RUN")
    out: str = option("", "new folder for the files", metavar="FOLDER")
    format: str = option("transformers", "format of the files", choices=_FORMATS)
    merge: bool = option(False, "merge an edit into the weights, if that is exact")
    license: str | None = option(
        None,
        "license of the model for its card, an identifier such as mit; by default the toy's license if the base is toy",
    )
    language: str | None = option(
        None, "language of the texts for the card, a code such as en; by default en for the toy and for Concadia"
    )
    push: str | None = option(None, "upload the folder to this repository of the hub", metavar="OWNER/NAME")
    private: bool = option(False, "make the repository of --push private if it does not exist yet")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_ExportConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: export(config), on_interrupt=lambda: "nothing was kept")


def export(config: _ExportConfig) -> int:
    """Load the model, write its files, and compare them with the model; upload them if the options ask for it.

    Raises:
        UserError: the model cannot be loaded or written in the format; the folder exists; or the hub refuses.
    """
    out = Path(config.out)
    if not config.out:
        raise UserError("the output folder is missing: name a new folder with --out")
    if os.path.lexists(out):
        raise UserError(f"'{out}' exists already; choose a new folder")
    if config.private and config.push is None:
        raise UserError("--private needs --push, which names the repository; add --push, or leave --private out")
    if config.push is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", config.push):
        raise UserError(f"--push: {quoted(config.push)} is not a repository of the hub; expected owner/name")
    who = evaluated_model(config.model)
    check_named(config.model, config.tokenizer)  # before torch is loaded, which takes longer than this check
    from safetensors import SafetensorError

    from interp.clip.loading import load_clip

    clip = load_clip(config.model, tokenizer=config.tokenizer, trust=config.trust_run)
    print("".join(f"note: {note}\n" for note in clip.notes), end="")
    edit = _edit(config, clip)
    weights = clip if edit is None or not config.merge else _merged(clip, edit)
    card = _card(config, who, clip, edit)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as place:
            folder = Path(place) / out.name
            folder.mkdir()
            rotation = Path(config.model) / ROTATION if who.is_run else None
            _write(weights, config.format, folder, card, rotation, None if config.merge else edit)
            difference = _difference(clip, config.format, folder)
            folder.rename(out)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write '{out}': {getattr(error, 'strerror', None) or error}") from error
    print(
        f"{config.model} was written to {out}, as files of {config.format}; "
        f"{_COMPARED[config.format]} differ by {difference:.1e}"
    )
    if config.push is not None:
        try:
            where = upload(out, config.push, private=config.private, message="Exported by clip-descriptions")
        except HubError as error:
            raise UserError(f"'{out}' is written, but {error}") from error
        print(f"uploaded to {where}")
    return 0


def _edit(config: _ExportConfig, clip: Clip) -> Edit | None:
    """Return the edit of a model, if it has one; raise `UserError` if the files cannot hold it."""
    from interp.clip.edits.model_edits import edits_of

    edits = edits_of(clip)
    if len(edits) > 1:
        raise UserError(
            f"'{config.model}' has {len(edits)} edits, and a folder can hold only one; name a model with one edit"
        )
    if not edits:
        if config.merge:
            raise UserError(f"--merge merges an edit into weights, and '{config.model}' has no edit; leave --merge out")
        return None
    if config.format == "open_clip" and not config.merge:
        raise UserError(
            f"'{config.model}' has an edit, which files of open_clip cannot hold; leave out --format open_clip"
        )
    return edits[0]


def _merged(clip: Clip, edit: Edit) -> Clip:
    from interp.clip.edits.edit import EditError
    from interp.clip.edits.model_edits import merge_edit

    try:
        return merge_edit(clip, edit)
    except EditError as error:
        raise UserError(f"{error}; leave --merge out") from error


def _card(config: _ExportConfig, who: EvaluatedModel, clip: Clip, edit: Edit | None) -> str:
    from interp.data.contrast import PAPER, Contrast
    from interp.edits.card import edit_notes
    from training.card import model_card
    from training.evaluation.stored import Evaluation, read

    evaluation: Evaluation | None = None
    result: dict[str, Any] = {}
    contrast = Contrast(*who.settings["contrast"]) if who.is_run else PAPER
    if who.is_run:
        result = RunFolder(Path(config.model)).manifest_as(TuningManifest).get("result", {})
        if (Path(config.model) / "evaluation" / "manifest.json").is_file():
            evaluation = read(Path(config.model))
    notes = None if edit is None else edit_notes(edit, clip.family, "FOLDER", merged=config.merge)
    base, data = who.name if who.named is None else who.named["base"], str(who.arguments.get("data", ""))
    return model_card(
        who,
        evaluation,
        contrast,
        form=config.format,
        licence=config.license or (_TOY_LICENCE if base == "toy" else None),
        result=result,
        edit=notes,
        language=config.language or ("en" if data == "toy" or data.startswith("concadia:") else None),
    )


def _write(clip: Clip, form: str, folder: Path, card: str, rotation: Path | None, edit: Edit | None) -> None:
    """Write all files.

    Args:
        clip: model whose weights are written.
        form: transformers or open_clip.
        folder: folder of the files.
        card: content of the card.
        rotation: file of a run's rotation; it need not exist.
        edit: edit that is not in the weights.
    """
    from interp.clip.saving import save_open_clip, save_transformers
    from interp.edits.card import public
    from interp.runs.files import write_atomic
    from interp.subspaces.kinds import load_subspace

    (save_open_clip if form == "open_clip" else save_transformers)(clip, folder)
    if rotation is not None and rotation.is_file():
        load_subspace(rotation).save(folder / rotation.name)
    if edit is not None:
        exported = replace(public(edit), base=str(folder), base_fingerprint=clip.fingerprint.partition("+")[0])
        exported.save(folder)
    write_atomic(folder / _CARD, card.encode())


def _difference(clip: Clip, form: str, folder: Path) -> float:
    """Return the largest difference between embeddings by the model and by the files, for a few random inputs.

    Files of transformers are loaded by the model's class. Of open_clip's files only the weights are read, into a model
    of that class.
    """
    import torch

    from interp.clip.edits.edit import FILE, Edit
    from interp.clip.model import unit_images, unit_texts
    from interp.clip.saving import weights_of

    kind: Any = type(clip.model)
    if form == "transformers":
        again = kind.from_pretrained(folder).eval()
    else:
        again = kind(clip.model.config).eval()
        again.load_state_dict(weights_of(folder))
    generator, side = torch.Generator().manual_seed(0), clip.family.side(clip.model)
    ids = torch.randint(0, clip.eot, (4, clip.context), generator=generator)
    ids[:, -1] = clip.eot
    pixels = torch.randn(2, 3, side, side, generator=generator)
    edited = Edit.load(folder).on(replace(clip, model=again)) if (folder / FILE).is_file() else nullcontext()
    with torch.inference_mode(), edited:
        pairs = [(unit_texts(model, ids), unit_images(model, pixels)) for model in (clip.model, again)]
    error = max(float((embedding - other).abs().max()) for embedding, other in zip(*pairs, strict=True))
    if not error <= 1e-6:
        raise UserError(f"the written files give other embeddings (by {error:.1e}); nothing was kept")
    return error


if __name__ == "__main__":
    sys.exit(main())

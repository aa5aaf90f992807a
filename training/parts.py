"""Manifest of the folder of all experiments, and a check that its parts agree. No torch."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from interp import cli
from interp.errors import UserError
from interp.runs.content import to_json
from interp.runs.files import MANIFEST, write_atomic
from interp.runs.folder import RunFolder, new_manifest
from interp.runs.versions import VERSIONS
from training.experiment import PaperConfig

_OF_A_PART = ("shard", "out", "jobs", "device", "trust_run", "log_with", "engine", "address", "gpus_per_cell")


class _Asked(TypedDict):
    arguments: dict[str, Any]


def check_parts(out: Path, config: PaperConfig) -> None:
    """Raise `UserError` if the options of a part differ from those of earlier parts in the folder."""
    manifest = out / MANIFEST
    if config.shard is None or not manifest.is_file():
        return
    before = RunFolder(out).manifest_as(_Asked)["arguments"]
    shared = [field.name for field in fields(config) if field.name not in _OF_A_PART]
    apart = [name for name in shared if before.get(name) != getattr(config, name)]
    if before.get("shard") is not None and apart:
        raise UserError(
            f"the earlier parts in '{out}' have {cli.flag(apart[0])} {before.get(apart[0])}, not "
            f"{getattr(config, apart[0])}; give all parts the same options, or choose another folder"
        )


def write_manifest(out: Path, config: PaperConfig) -> None:
    """Write the options of this command; each run in the folder refuses other settings itself."""
    settings = {"kind": "paper", "version": VERSIONS["paper"]}
    facts = {"arguments": asdict(config), "command": cli.command_line("python -m training.paper", config)}
    write_atomic(out / MANIFEST, to_json(new_manifest(settings, facts)))

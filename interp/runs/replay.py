"""Repetition of a run: `--config` takes the options of an earlier run from its manifest. No torch.

The manifest may come from another person. It is therefore checked like every run file, and it does not determine where
and how the work is done. Models and data that it names are loaded only if they are embedded or allowed.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from typing_extensions import TypedDict

from interp.cli import LOADED, WORK, flag, is_default, options_of
from interp.cli.fields import DefaultName
from interp.errors import UserError, quoted
from interp.runs.files import MANIFEST, StoreError, check_tree, read_bytes
from interp.runs.ownership import is_own
from interp.runs.versions import VersionedSettings, check_version

Config = TypeVar("Config")
REMEDY = "restore the file that the run wrote, or give the options without --config"


class _Manifest(TypedDict):
    settings: VersionedSettings
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Replay(Generic[Config]):
    """Argument `earlier` of `interp.cli.parse`, which takes the options of an earlier run of the same command.

    Attributes:
        kind: kind of the runs of the command.
        preset: function from options to the defaults that follow from the options.
    """

    kind: str
    preset: Callable[[Config], Mapping[str, Any]]

    def __call__(self, run: str, typed: Config, ready: Callable[[Sequence[str]], Config]) -> Config:
        """Return the options of a run, overridden by the typed options.

        Args:
            run: path of the run folder or of its manifest.
            typed: options of this command line alone.
            ready: function from words to the options of a command line that begins with these words and continues
                with the typed words.

        Raises:
            UserError: the run cannot be read, or belongs to another command or version; the new run has no folder; or
                the run names a model or data that are neither typed nor embedded.
        """
        if isinstance(out := getattr(typed, "out", None), DefaultName) or out is None:
            raise UserError("--config repeats a run in another folder; give that folder with --out")
        options = ready(self._words(run, type(typed)))
        if getattr(typed, "trust_run", False):
            return options
        foreign = {
            flag(field.name): value
            for field in options_of(type(typed), LOADED)
            if (value := getattr(options, field.name)) != getattr(typed, field.name)
            and not (re.fullmatch(field.metadata["loads"], str(value)) or is_own(run, field.name, str(value)))
        }
        if foreign:
            listed = ", ".join(f"{name} {quoted(value)}" for name, value in foreign.items())
            raise UserError(
                f"{quoted(run)} would load {listed}, and may come from another person; add --trust-run to allow "
                f"that, or give {' and '.join(foreign)} in addition to --config"
            )
        return options

    def _words(self, run: str, config: type[Config]) -> list[str]:
        """Return the command-line words of the run, without defaults and without options about the work."""
        before, given = self._arguments(run, config)
        defaults = _defaults(config) | dict(self.preset(before))
        words = []
        for name in sorted(given - {field.name for field in options_of(config, WORK)}):
            value = getattr(before, name)
            if is_default(value, defaults[name]):
                continue
            if value is None or value is False or "\0" in str(value):
                raise UserError(
                    f"{quoted(run)} has {flag(name)} {quoted(value)}, which no command line can express; {REMEDY}"
                )
            words.append(flag(name) if value is True else f"{flag(name)}={value}")
        return words

    def _arguments(self, run: str, config: type[Config]) -> tuple[Config, set[str]]:
        """Return the arguments of a run, and the names of the arguments that its manifest has."""
        from pydantic import create_model

        from interp.runs.content import parse

        path = Path(run)
        if os.path.isdir(run):
            if not (path / MANIFEST).is_file():
                raise UserError(f"{quoted(run)} is not a run folder: it has no {MANIFEST}")
            check_tree(path)
            path /= MANIFEST
        data = read_bytes(path)
        if data is None:
            raise StoreError(f"{quoted(run)} does not exist; give --config a run folder, or the {MANIFEST} in it")
        manifest: _Manifest = parse(data, _Manifest, path, REMEDY)
        if (kind := manifest["settings"]["kind"]) != self.kind:
            raise UserError(
                f"{quoted(run)} is a run of the kind {quoted(kind)}, but this command only repeats runs of the kind "
                f"'{self.kind}'; use the command that made the run"
            )
        check_version(Path(run), manifest["settings"])
        given = set(manifest["arguments"])
        if unknown := sorted(given - set(_defaults(config))):
            raise UserError(
                f"{quoted(run)} has the argument {quoted(unknown[0])}, which is not an option of this command; {REMEDY}"
            )
        record: Any = create_model("Record", arguments=(config, ...))
        return parse(data, record, path, REMEDY).arguments, given


def _defaults(config: Any) -> dict[str, Any]:
    """Return the default of each option."""
    return {field.name: field.default for field in dataclasses.fields(config)}

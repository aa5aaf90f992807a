"""Repetition of a run: `--config` gives a command the options of an earlier run, from its manifest. No torch.

The manifest may come from somebody else. It is therefore checked like every file of a run, and it does not determine
where and how the work is done. Whatever it names is loaded only if it is embedded or allowed.
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
REMEDY = "bring back the file that the run left, or type the options themselves"


class _Manifest(TypedDict):
    settings: VersionedSettings
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Replay(Generic[Config]):
    """Argument `earlier` of `interp.cli.parse`, which takes the options of an earlier run of the same command.

    Attributes:
        kind: kind of the command's runs.
        preset: preset of the command: function from options to the defaults that follow from them.
    """

    kind: str
    preset: Callable[[Config], Mapping[str, Any]]

    def __call__(self, run: str, own: Config, ready: Callable[[Sequence[str]], Config]) -> Config:
        """Return the options of a run, overridden by the typed options.

        Args:
            run: its folder, or its manifest.
            own: options that were typed, without those of the run.
            ready: function from words to the options that follow if these words precede the typed words.

        Raises:
            UserError: the run cannot be read, or belongs to another command or version; no folder was named for the new
                run; or the run names something to be loaded that is neither named by this command nor embedded.
        """
        if isinstance(out := getattr(own, "out", None), DefaultName) or out is None:
            raise UserError("--config runs a run again in another folder; name that with --out")
        found = ready(self._words(run, type(own)))
        if getattr(own, "trust_run", False):
            return found
        foreign = {
            flag(field.name): value
            for field in options_of(type(own), LOADED)
            if (value := getattr(found, field.name)) != getattr(own, field.name)
            and not (re.fullmatch(field.metadata["loads"], str(value)) or is_own(run, field.name, str(value)))
        }
        if foreign:
            named = ", ".join(f"{name} {quoted(value)}" for name, value in foreign.items())
            raise UserError(
                f"{quoted(run)} names {named}, which this command does not; add --trust-run to load that, or give "
                f"{' and '.join(foreign)} beside --config"
            )
        return found

    def _words(self, run: str, config: type[Config]) -> list[str]:
        """Return the words for the options of the run, without defaults and without options that no run passes on."""
        before, given = self._arguments(run, config)
        usual = _defaults(config) | dict(self.preset(before))
        words = []
        for name in sorted(given - {field.name for field in options_of(config, WORK)}):
            value = getattr(before, name)
            if is_default(value, usual[name]):
                continue
            if value is None or value is False or "\0" in str(value):
                raise UserError(f"{quoted(run)} says {flag(name)} {quoted(value)}, which cannot be typed; {REMEDY}")
            words.append(flag(name) if value is True else f"{flag(name)}={value}")
        return words

    def _arguments(self, run: str, config: type[Config]) -> tuple[Config, set[str]]:
        """Return the arguments of a run, and the names of the arguments in its manifest."""
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
            raise StoreError(f"no file {quoted(run)}; --config takes a run folder, or the {MANIFEST} in it")
        made: _Manifest = parse(data, _Manifest, path, REMEDY)
        if (kind := made["settings"]["kind"]) != self.kind:
            raise UserError(
                f"{quoted(run)} is a run of the kind {quoted(kind)}, and this command runs those of the kind "
                f"'{self.kind}' again; give it to the command that made it"
            )
        check_version(Path(run), made["settings"])
        given = set(made["arguments"])
        if unknown := sorted(given - set(_defaults(config))):
            raise UserError(f"{quoted(run)} has the argument {quoted(unknown[0])}, which is no option; {REMEDY}")
        record: Any = create_model("Record", arguments=(config, ...))
        return parse(data, record, path, REMEDY).arguments, given


def _defaults(config: Any) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(config)}

"""Settings of a LoRA adapter as peft writes them, and their conversion for peft."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from interp.clip.errors import ModelError
from interp.clip.files import read_json
from interp.clip.parts import is_layers_pattern
from interp.clip.patterns import full_matches

if TYPE_CHECKING:
    from peft import LoraConfig

# peft's note on a base without a task; the note imports nothing
_AUTO_MAPPING = {"base_model_class": "CLIPModel", "parent_library": "transformers.models.clip.modeling_clip"}
ADAPTER_CONFIG = "adapter_config.json"  # peft's name
_ALL_LINEAR = "all-linear"  # peft's word for every linear layer
# Initializations that do not change the weights of the base: the adapter's own weights replace all initial values.
_LEAVE_THE_BASE = (True, False, "gaussian", "eva", "orthogonal", "mica")
# Initializations that subtract the adapter from the base's weights. peft repeats them exactly on loading.
_CHANGE_THE_BASE = ("pissa", "olora")

_Rank = Annotated[int, Field(ge=1, le=2**20)]
_Alpha = Annotated[float, Field(gt=0, le=2**20)]


@dataclass(frozen=True)
class _AdapterSettings:
    """Known settings of an adapter's configuration.

    Attributes:
        base_model_name_or_path: the model that the adapter belongs to.
        target_modules: names of layers, a regular expression for their full names, or ``all-linear``.
        exclude_modules: names of layers that get no adapter, or a regular expression for their full names.
        layers_to_transform: blocks that get adapters, counted from 0; by default all blocks.
        layers_pattern: names of the lists of blocks that `layers_to_transform` counts in.
        rank_pattern, alpha_pattern: regular expression for the ends of layer names -> r or alpha of these layers.
        modules_to_save: names of modules whose weights the adapter replaces.
        init_lora_weights: initialization of the training; the values in `_CHANGE_THE_BASE` change the base.
    """

    peft_type: Literal["LORA"]
    r: _Rank
    lora_alpha: _Alpha
    target_modules: str | list[str]
    base_model_name_or_path: str | None = None
    exclude_modules: str | list[str] | None = None
    layers_to_transform: int | list[int] | None = None
    layers_pattern: str | list[str] | None = None
    rank_pattern: dict[str, _Rank] | None = field(default_factory=dict)
    alpha_pattern: dict[str, _Alpha] | None = field(default_factory=dict)
    modules_to_save: list[str] | None = None
    bias: Literal["none", "all", "lora_only"] = "none"
    lora_bias: bool = False
    use_rslora: bool = False
    use_dora: bool = False
    init_lora_weights: bool | str | None = True
    # without effect once the weights are loaded
    eva_config: dict[str, Any] | None = None
    lora_dropout: float | None = None
    inference_mode: bool = False
    task_type: str | None = None
    peft_version: str | None = None
    revision: Literal["main"] | None = None

    def for_peft(self, names: Sequence[str], ranks: Mapping[str, int]) -> LoraConfig:
        """Return the settings for peft, with every regular expression replaced by the names that it matches.

        Args:
            names: full names of the modules of the base.
            ranks: full name of an adapted module -> rank of its weights in the adapter's file.

        Raises:
            ModelError: an expression cannot be matched, or a rank of the weights differs from the settings.
        """
        from peft import LoraConfig

        targets, excluded, own_ranks, own_alphas = self._matched(names)
        for name, rank in ranks.items():  # before memory is allocated for a wrong rank
            if rank != (wanted := own_ranks.get(name, self.r)):
                key = "rank_pattern" if name in own_ranks else "r"
                raise ModelError(
                    f"size mismatch for {name}.lora_A: its weights have rank {rank}, but {key} is {wanted}"
                )
        adapted_ranks = {name: rank for name, rank in own_ranks.items() if name in ranks}
        return LoraConfig(
            r=min(self.r, max(ranks.values(), default=1)),
            lora_alpha=self.lora_alpha,  # type: ignore[arg-type]
            target_modules=targets,
            exclude_modules=excluded,
            layers_to_transform=self.layers_to_transform,
            layers_pattern=self.layers_pattern,
            modules_to_save=self.modules_to_save,
            bias=self.bias,
            rank_pattern={re.escape(name): rank for name, rank in adapted_ranks.items()},
            alpha_pattern={re.escape(name): alpha for name, alpha in own_alphas.items()},
            lora_bias=self.lora_bias,
            use_rslora=self.use_rslora,
            use_dora=self.use_dora,
            init_lora_weights=self._initialization(),  # type: ignore[arg-type]
        )

    def _matched(
        self, names: Sequence[str]
    ) -> tuple[str | list[str], list[str] | None, dict[str, int], dict[str, float]]:
        """Return targets, excluded modules, and each module's own rank and alpha, all by full names or by endings."""
        targets, excluded = self.target_modules, self.exclude_modules
        ranks, alphas = self.rank_pattern or {}, self.alpha_pattern or {}
        wanted = [isinstance(targets, str) and not _is_plain(targets), isinstance(excluded, str) and bool(excluded)]
        whole = [pattern for pattern, asked in zip((targets, excluded), wanted, strict=True) if asked]
        endings = [rf"(.*\.)?({pattern})" for pattern in (*ranks, *alphas)]  # as peft matches them
        matches = iter(full_matches([*map(str, whole), *endings], names))
        if wanted[0] and not (targets := next(matches)):
            raise ModelError(f"target_modules {str(self.target_modules)[:80]!r} matches no module of the base")
        if wanted[1]:
            excluded = next(matches)
        own_ranks: dict[str, int] = {}
        own_alphas: dict[str, float] = {}
        for rank in ranks.values():  # the first matching expression counts
            own_ranks |= {name: rank for name in next(matches) if name not in own_ranks}
        for alpha in alphas.values():
            own_alphas |= {name: alpha for name in next(matches) if name not in own_alphas}
        return targets, excluded if excluded else None, own_ranks, own_alphas  # type: ignore[return-value]

    def _initialization(self) -> bool | str:
        given = self.init_lora_weights
        return given.lower() if isinstance(given, str) and given.lower() in _CHANGE_THE_BASE else True


def _is_plain(pattern: str) -> bool:
    """Return whether a target-modules expression is known to be harmless: `_ALL_LINEAR`, or written by this package."""
    return pattern == _ALL_LINEAR or is_layers_pattern(pattern)


def read_adapter(folder: Path) -> _AdapterSettings:
    """Read the settings of the adapter in a folder.

    Raises:
        ModelError: the settings are damaged, or request something unknown, such as code.
    """
    from peft import LoraConfig

    path = folder / ADAPTER_CONFIG
    given: dict[str, Any] = read_json(path, dict[str, Any])
    usual = {**LoraConfig().to_dict(), "auto_mapping": _AUTO_MAPPING}
    known_keys = {each.name for each in fields(_AdapterSettings)}
    for key, value in given.items():
        if key not in known_keys and value not in (None, False, [], {}, "", usual.get(key)):
            raise ModelError(f"'{path}' has the unknown setting {key[:80]}; remove it if the weights do not need it")
    settings = read_json(path, _AdapterSettings)
    _check_names(path, settings)
    start = settings.init_lora_weights
    if start is not None and start not in _LEAVE_THE_BASE and str(start).lower() not in _CHANGE_THE_BASE:
        raise ModelError(
            f"'{path}' sets init_lora_weights to {str(start)[:80]!r}, which changes the base, but the changed base "
            "is not saved; save the adapter as plain LoRA, with peft's path_initial_model_for_weight_conversion"
        )
    return settings


def _check_names(path: Path, settings: _AdapterSettings) -> None:
    """Raise `ModelError` for invalid module names, and for settings that peft does not accept together."""
    for key in ("target_modules", "exclude_modules", "layers_pattern", "modules_to_save"):
        value = getattr(settings, key)
        names = [value] if key == "layers_pattern" and isinstance(value, str) else value
        if isinstance(names, list) and not all(re.fullmatch(r"[\w.]+", name) for name in names):
            raise ModelError(f"'{path}' sets {key} to {str(value)[:80]!r}; expected a list of module names")
    if not settings.target_modules:
        raise ModelError(f"'{path}' sets target_modules to {settings.target_modules!r}; name the adapted layers")
    if isinstance(settings.target_modules, str):
        for key in ("layers_to_transform", "layers_pattern"):
            if getattr(settings, key) is not None:
                raise ModelError(f"'{path}' sets {key}, which peft accepts only if target_modules is a list")

"""Groups of models that differ only in their seed, with distinct names. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from interp.errors import UserError


@runtime_checkable
class _OfModel(Protocol):
    """Record about a model and its seed."""

    @property
    def about(self) -> dict[str, Any]:
        """Name, label, base, group and seed."""
        ...


One = TypeVar("One", bound=_OfModel)


def groups_of(models: Sequence[One]) -> dict[str, list[One]]:
    """Return groups of evaluations or runs that differ only in the seed, under distinct names.

    Raises:
        UserError: two members of a group have the same seed.
    """
    groups: dict[str, list[One]] = {}
    for model in models:
        groups.setdefault(model.about["group"], []).append(model)
    for members in groups.values():
        label, seeds = members[0].about["label"], [member.about["seed"] for member in members]
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            names = " and ".join(f"'{member.about['name']}'" for member in members if member.about["seed"] == twice[0])
            raise UserError(f"several runs are {label} with seed {twice[0]}: {names}; name only one of them")
    return dict(zip(_labels([members[0].about for members in groups.values()]), groups.values(), strict=True))


def base_among(models: Sequence[One]) -> One | None:
    """Return the base, if it is among the evaluations."""
    return next((model for model in models if model.about["label"] == "base"), None)


def _labels(abouts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return names of models: the label, and the facts that distinguish models with equal labels."""
    labels = [about["label"] for about in abouts]
    for detail in (
        lambda about: _differences(about, [each for each in abouts if each["label"] == about["label"]]),
        lambda about: Path(about["name"]).name,
        lambda about: about["name"],
        lambda about: about["group"],
    ):
        labels = [
            f"{about['label']} ({detail(about)})" if labels.count(label) > 1 else label
            for about, label in zip(abouts, labels, strict=True)
        ]
    return labels


def _differences(about: Mapping[str, Any], alike: Sequence[Mapping[str, Any]]) -> str:
    """Return the settings in which a model differs from models with its label; its folder if no setting differs."""
    parts = []
    for key in ("layer", "size"):
        if len({each.get(key) for each in alike}) > 1:
            parts.append(f"{key} {about[key]}")
    if len({each.get("retain") for each in alike}) > 1:
        parts.append("retain chosen" if about.get("retain") is None else f"retain {about['retain']:g}")
    return ", ".join(parts) or Path(about["name"]).name

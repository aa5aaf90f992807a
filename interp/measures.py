"""What is measured: key, unit and place of every number in a run folder, declared once and read everywhere. No torch.

A key names a column of results.csv; with ``_low`` and ``_high`` behind it, the ends of its 95 % interval. Tables,
heatmaps, pages, figures and notebooks know a measure by this schema, and guess nothing from its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from interp.data.contrast import DIRECTIONS, Contrast
from interp.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Where = Literal["table", "heatmap", "page", "figure"]
ROUTES = ("through", "around", "full")  # of attributions, that are correlated with norms


class MethodName(NamedTuple):
    """What a way to find a subspace is called.

    Attributes:
        key: in options and, with _ for -, in the names of columns.
        heading: of a column.
        title: in words.
    """

    key: str
    heading: str
    title: str

    @property
    def column(self) -> str:
        """Part of the names of columns."""
        return self.key.replace("-", "_")


# of the search, and of what it is compared with; a run of version 0.1 does not say its methods
PAPER_METHODS = (
    MethodName("das", "das", "found by the search"), MethodName("pca", "pca", "principal components"),
    MethodName("means", "means", "difference in means"), MethodName("random", "random", "random subspaces (mean of 3)"),
)  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """How numbers of a kind are shown.

    Attributes:
        factor: from the value in a file to what is shown.
        form, brief: of a number in a table, and in a heatmap.
        sign: of what is shown, such as ``%``.
        colours: of heatmaps, a map of matplotlib.
        bounds: what the ends of the colours stand for; None for the largest size there is, and its negative.
        least: the least that the end of the colours stands for, where `bounds` is None.
    """

    factor: float = 1.0
    form: str = "+.3f"
    brief: str = "+.2f"
    sign: str = ""
    colours: str = "RdBu"
    bounds: tuple[float, float] | None = None
    least: float = 1e-6

    def text(self, value: float, form: str | None = None) -> str:
        """A value as a table shows it; what is not defined is a dash.

        >>> SHARE.text(0.5), CORRELATION.text(float("nan"))
        ('50.0', '-')
        """
        return written(self.factor * value, form or self.form)

    def reach(self, values: np.ndarray) -> tuple[float, float]:
        """What the ends of the colours of a heatmap stand for, of values as they are shown."""
        if self.bounds is not None:
            return self.bounds
        most = max(self.least, float(np.nanmax(np.abs(values), initial=0.0)))
        return -most, most


def written(value: float, form: str) -> str:
    """A number in some form; what is not defined is a dash."""
    return "-" if np.isnan(value) else f"{value:{form}}"


SHARE = Unit(100.0, ".1f", ".0f", "%", "cividis", (0.0, 100.0))
SCORE = Unit()  # a cosine
CORRELATION = Unit(1.0, "+.2f", "+.2f", "", "RdBu", (-1.0, 1.0))
LOST = Unit(100.0, "+.1f", "+.1f", "%", "RdBu_r", least=5.0)  # a loss of less than five points shall look small
NATS = Unit(1.0, ".4f", ".2f", "", "cividis")
COUNT = Unit(1.0, ".0f", ".0f", "", "cividis")


@dataclass(frozen=True)
class Measure:
    """One number of a cell.

    Attributes:
        key: of the column.
        title: in full, without the unit's sign.
        heading: of a table's column; above: what it shares with its neighbours there.
        alone: of a column that stands alone, as in a page; by default the heading.
        brief: of a panel in a figure; by default `alone`.
        family: measures of one family share the scale of their colours, and a row in figures.
        interval: whether its ends are there too.
        ends: whether tables show them.
        shown: where it is shown.
        tuned: whether it is of a model that was fine-tuned at the cell, not of the frozen one.
        change: whether tables show its negative: a change, where the measure is a loss.
        against: what it is to be compared with: keys, or in words.
    """

    key: str
    title: str
    unit: Unit
    heading: str = ""
    above: str = ""
    alone: str = ""
    brief: str = ""
    family: str = ""
    interval: bool = False
    ends: bool = False
    shown: frozenset[Where] = frozenset()
    tuned: bool = False
    change: bool = False
    against: tuple[str, ...] = ()

    @property
    def full_title(self) -> str:
        """The title with the unit's sign."""
        return f"{self.title} ({self.unit.sign})" if self.unit.sign else self.title

    @property
    def name(self) -> str:
        """What it is called where it stands alone."""
        return self.alone or self.heading or self.title

    @property
    def keys(self) -> tuple[str, ...]:
        """Its columns."""
        return (self.key, f"{self.key}_low", f"{self.key}_high") if self.interval else (self.key,)

    def value(self, row: Mapping[str, float] | pd.Series) -> float:
        """As tables show it, unrounded."""
        return (-1.0 if self.change else 1.0) * self.unit.factor * row[self.key]

    def text(self, row: Mapping[str, float] | pd.Series) -> str:
        """As tables show it."""
        shown = written(self.value(row), self.unit.form)
        if not self.ends or shown == "-":
            return shown
        low, high = (self.unit.text(row[key]) for key in self.keys[1:])
        return f"{shown} [{low} {high}]"


@dataclass(frozen=True)
class Schema:
    """Measures in the order in which they are shown.

    Raises:
        ValueError: two have a column in common, be it the end of an interval.
    """

    measures: tuple[Measure, ...]
    _by_key: dict[str, Measure] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for measure in self.measures:
            if twice := seen.intersection(measure.keys):
                raise ValueError(f"two measures have the column '{min(twice)}'")
            seen.update(measure.keys)
            self._by_key[measure.key] = measure

    def __getitem__(self, key: str) -> Measure:
        """The measure of a key.

        Raises:
            UserError: there is none; the message lists those that are shown somewhere.
        """
        if key not in self._by_key:
            known = [measure.key for measure in self.measures if measure.shown]
            raise UserError(f"there is no measure '{key}'; known: {', '.join(known)}")
        return self._by_key[key]

    def __iter__(self) -> Iterator[Measure]:
        return iter(self.measures)

    def shown(self, where: Where, *, tuned: bool | None = None) -> list[Measure]:
        """What is shown somewhere, of fine-tuned cells only or of frozen ones only if asked."""
        return [one for one in self.measures if where in one.shown and tuned in (None, one.tuned)]

    @cached_property
    def columns(self) -> frozenset[str]:
        """Every column, ends of intervals too."""
        return frozenset(key for measure in self.measures for key in measure.keys)

    def among(self, columns: Iterable[str]) -> Schema:
        """The measures that a table has, in the same order: a run may be older than some of them."""
        there = set(columns)
        return Schema(tuple(measure for measure in self.measures if measure.key in there))

    def check(self, columns: Iterable[str]) -> None:
        """Raise `ValueError` for a column that no measure declares."""
        if unknown := sorted(set(columns) - self.columns):
            raise ValueError(f"interp/measures.py does not declare {', '.join(unknown)}")


TABLE: frozenset[Where] = frozenset({"table", "page"})
EVERYWHERE: frozenset[Where] = frozenset({"table", "page", "heatmap", "figure"})
MAPS: frozenset[Where] = frozenset({"page", "heatmap", "figure"})


def sweep_schema(
    contrast: Contrast, methods: Sequence[MethodName], norms: Sequence[str], *, tuned: bool = False
) -> Schema:
    """What the cells of a sweep hold.

    Args:
        methods: the first one has found each cell's subspace, the others are what it is compared with.
        norms: names of the norms that attributions are correlated with.
        tuned: whether a model was fine-tuned at each cell.
    """
    controls = methods[1:]
    against = tuple(f"iia_{method.column}" for method in controls)
    known = [
        *_iia("iia", contrast, "mean of both directions", against=(*against, "iia_whole", "iia_size0")),
        *(_control(method) for method in controls),
        *_shifts(contrast),
        Measure("preference", "Preference accuracy of the model", SHARE, "pref", brief="preference", family="share",
                interval=True, shown=EVERYWHERE, against=("50 %",)),
        *(one for norm in norms for one in _norm(norm)),
    ]  # fmt: skip
    if tuned:
        known += _tuned(contrast, norms)
    return Schema((*known, *_unshown(contrast, controls, norms)))


def _iia(stem: str, contrast: Contrast, both: str, *, against: tuple[str, ...]) -> list[Measure]:
    out = [Measure(stem, f"IIA on held-out pairs, {both}", SHARE, "IIA", family="share", interval=True,
                   shown=EVERYWHERE, against=against)]  # fmt: skip
    for direction in DIRECTIONS:
        arrow = contrast.arrow(direction)
        out.append(Measure(
            f"{stem}_{contrast.short(direction)}", f"IIA, {contrast.swap(direction)}", SHARE, arrow,
            alone=f"IIA {arrow}", family="share", interval=True, shown=EVERYWHERE, against=against,
        ))  # fmt: skip
    return out


def _control(method: MethodName) -> Measure:
    return Measure(f"iia_{method.column}", f"IIA of {method.title}, same size", SHARE, method.heading,
                   alone=f"IIA {method.heading}", family="controls",
                   interval=True, shown=EVERYWHERE, against=("iia",))  # fmt: skip


def _shifts(contrast: Contrast) -> list[Measure]:
    return [
        Measure(f"shift_{contrast.short(direction)}", f"Mean change of score, {contrast.swap(direction)}", SCORE,
                f"shift {contrast.arrow(direction)}" if first else contrast.arrow(direction),
                alone=f"shift {contrast.arrow(direction)}", family="shift", shown=EVERYWHERE)
        for first, direction in zip((True, False), DIRECTIONS, strict=True)
    ]  # fmt: skip


def _norm(norm: str) -> list[Measure]:
    return [
        Measure(f"r_{norm}_{route}", f"Correlation with {norm}, attributions {route}", CORRELATION, route,
                above=norm if route == ROUTES[0] else "", alone=f"{norm}, {route}", brief=f"r, {norm}, {route}",
                family=f"r_{norm}", interval=True, ends=route == ROUTES[0], shown=EVERYWHERE)
        for route in ROUTES
    ]  # fmt: skip


def _tuned(contrast: Contrast, norms: Sequence[str]) -> list[Measure]:
    """Of the model that is fine-tuned at a cell, with the alignment trained in it."""
    preference = Measure("preference", "preference accuracy", SHARE, "pref", brief="preference", family="share",
                         interval=True, shown=EVERYWHERE)  # fmt: skip
    iias = [replace(one, heading=one.name) for one in _iia("iia", contrast, "", against=())[1:]]
    shifts = [replace(one, shown=TABLE) for one in _shifts(contrast)]
    lost = [
        Measure("transfer_drop", "zero-shot accuracy lost against the base", LOST, "transfer", brief="transfer lost",
                family="drop", shown=EVERYWHERE, change=True),
        Measure("retrieval_drop", "retrieval lost against the base", LOST, "retrieval", brief="retrieval lost",
                family="drop", shown=EVERYWHERE, change=True),
    ]  # fmt: skip
    words = []
    for norm in norms:
        through, around, full = _norm(norm)
        words += [through, replace(around, shown=frozenset()), replace(full, shown=TABLE)]
    rest = [Measure("val_loss", "loss on val", NATS), Measure("iia", "IIA, mean of both directions", SHARE,
                                                              interval=True)]  # fmt: skip
    return [
        replace(
            one, key=f"tuned_{one.key}", title=f"Trained: {_lower(one.title)}",
            brief=f"trained: {one.brief or one.name}",
            family="tuned r" if one.family.startswith("r_") else f"tuned {one.family}", tuned=True,
            against=("the base",),
        )
        for one in [preference, *iias, *shifts, *lost, *words, *rest]
    ]  # fmt: skip


def _lower(title: str) -> str:
    """Without a capital in front, unless it begins with an abbreviation."""
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _unshown(contrast: Contrast, controls: Sequence[MethodName], norms: Sequence[str]) -> list[Measure]:
    """What is kept, but stands in no table: the page and the choice of a cell use some of it."""
    ceilings = {"whole": "the whole stream", "size0": "nothing"}
    names = {method.column: method.title for method in controls} | ceilings
    out = [Measure("iia_val", "IIA on validation pairs, which chooses the cell", SHARE)]
    out += [Measure(f"iia_{key}", f"IIA of {title}", SHARE, interval=True) for key, title in ceilings.items()]
    for key, title in names.items():
        for direction in DIRECTIONS:
            out.append(Measure(f"iia_{key}_{contrast.short(direction)}", f"IIA of {title}, {contrast.swap(direction)}",
                               SHARE, interval=True))  # fmt: skip
    out += [Measure(f"n_{norm}", f"word types with a rating of {norm}", COUNT) for norm in norms]
    return [
        *out,
        Measure("test_pairs", "pairs that are measured", COUNT),
        Measure("directions", "directions of the subspace", COUNT, against=("size",)),
        Measure("das_steps", "steps of the search", COUNT),
        Measure("das_val_loss", "loss of the search on val", NATS),
        Measure("attribution_delta", "largest error of convergence", SCORE),
        Measure("seconds", "time", Unit(1.0, ".1f")),
    ]


def evaluation_schema(contrast: Contrast) -> Schema:
    """What an evaluation can hold, by the name of the measure."""
    shares = ["preference", "accuracy", "macro_f1"]
    shares += [f"preference, {kind} longer" for kind in contrast.kinds]
    shares += [f"retrieval {kind}" for kind in contrast.kinds]
    scores = [f"mean {kind} score" for kind in contrast.kinds] + ["largest delta"]
    for direction in DIRECTIONS:
        short = contrast.short(direction)
        shares += [f"iia {short}", f"iia, random subspace {short}"]
        scores.append(f"shift {short}")
    related = [f"pearson {route}" for route in ROUTES] + ["pearson of length"]
    for method in ("pearson", "spearman"):
        related += [method, f"{method} given length", f"{method} more than the other"]
    units = {SHARE: shares, SCORE: scores, replace(CORRELATION, form="+.3f"): related}
    return Schema(tuple(
        Measure(name, name, unit, interval=True, shown=TABLE) for unit, names in units.items() for name in names
    ))  # fmt: skip

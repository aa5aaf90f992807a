"""Tables of a benchmark for the terminal. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from interp import cli
from interp.data.blv import QUESTIONS
from training.metrics.numbers import CHECKED, CUT, MetricNumber

_BASELINES = tuple(f"{name} " for name in ("length", "concreteness"))


def terminal_tables(numbers: Sequence[MetricNumber]) -> str:
    """Return checks by metric, correlations with readers, and paired differences, as plain text."""
    blocks = [_checks(numbers), _readers(numbers), _differences(numbers)]
    return "\n\n".join(block for block in blocks if block)


def metrics_in(numbers: Sequence[MetricNumber]) -> list[str]:
    """Return the names of metrics in their order, without differences of two metrics."""
    named = [number.metric for number in numbers if number.measure in ("same", "pearson of length")]
    return list(dict.fromkeys(named))


def checks_in(numbers: Sequence[MetricNumber]) -> list[str]:
    """Return the names of checks in their order."""
    return list(dict.fromkeys(number.of for number in numbers if number.part == CHECKED))


def find(numbers: Sequence[MetricNumber], subject: str, metric: str, measure: str) -> MetricNumber | None:
    """Return the number of a subject (a check or question), a metric and a measure; None if it is missing."""
    key = (subject, metric, measure)
    return next((number for number in numbers if (number.of, number.metric, number.measure) == key), None)


def percent(number: MetricNumber | None) -> str:
    """Return a share in percent with its interval."""
    return with_interval(number, lambda value: f"{100 * value:.1f}")


def points(number: MetricNumber | None) -> str:
    """Return a difference of shares in points with its interval."""
    return with_interval(number, lambda value: f"{100 * value:+.1f}")


def correlation(number: MetricNumber | None) -> str:
    """Return a correlation, or a difference of two, with its interval."""
    return with_interval(number, lambda value: f"{value:+.3f}")


def with_interval(number: MetricNumber | None, text: Callable[[float], str]) -> str:
    """Return a number in the format of `text`, with its interval; a dash if it is missing."""
    if number is None or math.isnan(number.value):
        return "-"
    interval = "" if math.isnan(number.low) else f" [{text(number.low)} {text(number.high)}]"
    return f"{text(number.value)}{interval}"


def _checks(numbers: Sequence[MetricNumber]) -> str:
    checks, metrics = checks_in(numbers), metrics_in(numbers)
    if not checks:
        return ""
    lines = [["scored worse, % (same, %)", "n", *metrics]]
    for check in checks:
        shares = [(find(numbers, check, metric, "worse"), find(numbers, check, metric, "same")) for metric in metrics]
        n = max((worse.n for worse, _ in shares if worse), default=0)
        cells = [
            "-" if worse is None or same is None else f"{100 * worse.value:.1f} ({100 * same.value:.1f})"
            for worse, same in shares
        ]
        lines.append([check, str(n), *cells])
    return "\n".join([*cli.folded(lines), *map(cli.wrapped, cut_sentences(numbers))])


def cut_sentences(numbers: Sequence[MetricNumber]) -> list[str]:
    """Return a sentence for each metric that truncates texts."""
    cut = [number for number in numbers if number.measure == CUT]
    parts: dict[str, list[str]] = {}
    for number in cut:
        parts.setdefault(number.metric, []).append(f"{number.of} {100 * number.value:.1f} %")
    ending = "the measures ', nothing cut' of results.csv leave these texts out"
    return [f"{metric} truncates texts: {', '.join(shares)}; {ending}." for metric, shares in parts.items()]


def _readers(numbers: Sequence[MetricNumber]) -> str:
    metrics = [name for name in metrics_in(numbers) if find(numbers, "overall", name, "pearson")]
    if not metrics:
        return ""
    lines = [["readers: r (given length)", *QUESTIONS, "order, %"]]
    for metric in metrics:
        cells = []
        for question in QUESTIONS:
            plain, given = (find(numbers, question, metric, name) for name in ("pearson", "pearson given length"))
            cells.append("-" if plain is None or given is None else f"{_r(plain.value)} ({_r(given.value)})")
        order = find(numbers, "overall", metric, "order within images")
        lines.append([metric, *cells, "-" if order is None else f"{100 * order.value:.1f}"])
    if highest := ceilings(numbers):
        lines.append(["ceiling of any metric", *highest, ""])
    return "\n".join(cli.folded(lines))


def ceilings(numbers: Sequence[MetricNumber]) -> list[str]:
    """Return the ceiling of correlations with readers for each question; empty if it was not estimated."""
    by_question = {number.of: _ceiling(number.value) for number in numbers if number.measure == "ceiling"}
    return [by_question[question] for question in QUESTIONS if question in by_question]


def _ceiling(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _r(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.3f}"


def differences(numbers: Sequence[MetricNumber]) -> list[MetricNumber]:
    """Return the paired differences of two metrics: of all checks, and of the overall ratings by readers."""
    singles = set(metrics_in(numbers))
    return [
        number
        for number in numbers
        if number.metric not in singles and (number.part == CHECKED or number.of == "overall")
    ]


def is_sure(difference: MetricNumber) -> bool:
    """Return whether the interval of a difference excludes 0."""
    return difference.low * difference.high > 0


def _differences(numbers: Sequence[MetricNumber]) -> str:
    shown = [
        number
        for number in differences(numbers)  # the table of checks already shows the baselines
        if not (number.part == CHECKED and number.metric.startswith(_BASELINES))
    ]
    if not shown:
        return ""
    if all(math.isnan(number.low) for number in shown):
        return "No paired difference has an interval, because there are too few articles, readers or images."
    lines = [["difference", "of", "measure", "value", "n"]]
    pairs = list(dict.fromkeys(number.metric for number in shown))
    for number in filter(is_sure, sorted(shown, key=lambda number: pairs.index(number.metric))):
        checked = number.part == CHECKED
        value, unit = (points(number), "worse, points") if checked else (correlation(number), number.measure)
        lines.append([number.metric, number.of, unit, value, str(number.n)])
    head = "Paired differences whose interval excludes 0 (results.csv has the others):"
    return "\n".join([head, *(cli.folded(lines, left=3) if len(lines) > 1 else ["none"])])

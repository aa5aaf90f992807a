"""`python -m training.study power`: simulate the number of people and texts that a study needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from interp import cli
from interp.cli import WORK, option
from interp.data.blv import QUESTIONS
from interp.errors import UserError, quoted

if TYPE_CHECKING:
    from interp.stats import RaterVariances
    from training.studies.power import Design, Power

PROG = "python -m training.study power"
DESCRIPTION = """\
Simulate studies. Count the share that finds a preference for one model's texts, and the share that finds a difference
between two correlations with ratings. A difference counts as found if its 95 % interval, which treats people and texts
as samples, excludes chance. By default, the variances of people, texts and the rest come from ratings of overall
quality by blind and low-vision readers (Kreiss et al. 2022)."""
EPILOG = """\
examples:
  clip-descriptions study power
  clip-descriptions study power --people 16,32 --items 40 --each 20 --preference 0.6
  clip-descriptions study power --study study
      use the design of an existing study

files in the output folder:
  power.png    share of simulated studies that find each difference
  power.csv    these shares as a table
  power.txt    a paragraph for an application to an ethics board"""
_ENOUGH = 0.8  # power that studies are usually planned for
_USUAL = 0.6  # preference that the recommended design must find


@dataclass(frozen=True, kw_only=True)
class _PowerConfig:
    """Simulated studies."""

    people: str = option("12,24,48", "comma-separated numbers of participants", metavar="LIST")
    items: str = option("30,60,120", "comma-separated numbers of text pairs to compare", metavar="LIST")
    each: int = option(30, "maximum number of text pairs for one participant")
    preference: str = option("0.55,0.6,0.7", "comma-separated true shares of choices for a model", metavar="LIST")
    correlation: str = option("0.1,0.2", "comma-separated true differences of correlations, or none", metavar="LIST")
    study: str | None = option(None, "study folder; its design replaces --people, --items and --each")
    variances: str | None = option(
        None, "variances of people, of texts, and of the rest; by default the published variances", metavar="P,I,R"
    )
    blv: str | None = option(None, "folder with ratings from which variances are estimated", loads="")
    question: str = option("overall", "question whose ratings --blv uses", choices=tuple(QUESTIONS))
    simulations: int = option(200, "number of simulated studies for each design and difference", most=100_000)
    seed: int = option(0, "seed of the simulations", least=0)
    out: str = option("runs/power", "output folder", role=WORK)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_PowerConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _power(config), on_interrupt=lambda: "the same command starts over")


def _power(config: _PowerConfig) -> int:
    """Check the options, simulate, and write the table, the picture and the paragraph."""
    cli.check_bounds(config)
    preferences = _numbers("preference", config.preference, 0.5, 1.0)
    correlations = [] if config.correlation == "none" else _numbers("correlation", config.correlation, 0.0, 0.8)
    variances, source = _variances(config)
    designs = _designs(config)
    import pandas as pd

    from interp.cli.progress import Bar
    from interp.runs.files import write_atomic
    from interp.runs.spreadsheet import csv_text
    from training.studies.power import power_of_correlation, power_of_preference, sentence
    from training.studies.power_picture import draw

    out = Path(config.out)
    if out.exists() and not out.is_dir():
        raise UserError(f"'{out}' is a file; choose another folder with --out")
    powers: list[Power] = []
    impossible: list[str] = []
    total = len(designs) * (len(preferences) + len(correlations)) * config.simulations
    with Bar(total=total, desc="power", unit="simulation") as bar:
        for design in designs:
            common = {"simulations": config.simulations, "seed": config.seed, "on_study": bar.update}
            powers += [power_of_preference(design, size, variances, **common) for size in preferences]
            for size in correlations:
                try:
                    powers.append(power_of_correlation(design, size, variances, **common))
                except ValueError as error:
                    bar.update(config.simulations)
                    impossible.append(f"{design.people} people, {design.items} pairs: {error}")
    rows = [
        {"people": power.design.people, "items": power.design.items, "each": power.design.each}
        | {name: getattr(power, name) for name in _COLUMNS}
        for power in powers
    ]
    write_atomic(out / "power.csv", csv_text(pd.DataFrame(rows)))
    picture = draw(powers)
    write_atomic(out / "power.png", picture.png())
    chosen = _recommended(powers)
    paragraph = sentence([power for power in powers if power.design == chosen], variances, source)
    write_atomic(out / "power.txt", cli.wrapped(paragraph) + "\n")
    print("\n".join(cli.folded(_table(powers, designs))))
    print("".join(f"note: {note}\n" for note in impossible), end="")
    print(
        f"\n{cli.wrapped(paragraph)}\n\nlook at  {out / 'power.png'}\n         {out / 'power.csv'}  in full precision"
    )
    return 0


_COLUMNS = ("measure", "size", "share", "low", "high", "simulations")


def _numbers(name: str, text: str, least: float, most: float) -> list[float]:
    """Return the numbers of a list, each between two bounds."""
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--{name} {quoted(text)} is not a comma-separated list of numbers, such as 0.55,0.6") from None
    if wrong := [value for value in values if not least < value < most]:
        raise UserError(f"--{name} must be between {least:g} and {most:g}, not {wrong[0]:g}")
    return list(dict.fromkeys(values))


def _whole(name: str, text: str, least: int) -> list[int]:
    """Return the whole numbers of a list."""
    try:
        values = [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(
            f"--{name} {quoted(text)} is not a comma-separated list of whole numbers, such as 12,24"
        ) from None
    if wrong := [value for value in values if not least <= value <= 10_000]:
        raise UserError(f"--{name} must be from {least} to 10000, not {wrong[0]}")
    return list(dict.fromkeys(values))


def _variances(config: _PowerConfig) -> tuple[RaterVariances, str]:
    """Return the variances, and a phrase that describes their origin."""
    from interp.stats import RaterVariances, rater_variances
    from training.studies.simulation import OVERALL

    if config.variances is not None and config.blv is not None:
        raise UserError(
            "--variances and --blv exclude each other: give either variances or ratings from which they are estimated"
        )
    if config.variances is not None:
        try:
            people, items, rest = (float(word) for word in config.variances.split(","))
        except ValueError:
            raise UserError(
                f"--variances {quoted(config.variances)} does not have three numbers, such as 0.144,0.455,1.104"
            ) from None
        if not (people >= 0 and items > 0 and rest > 0 and people + items + rest < 1e6):
            raise UserError("--variances: the second and the third number must be positive, and the first at least 0")
        return RaterVariances(people, items, rest), "as given"
    if config.blv is None:
        return OVERALL, "estimated from ratings of overall quality by blind and low-vision readers (Kreiss et al. 2022)"
    from interp.data.blv import load_blv

    rated = load_blv(config.blv)
    if not all(text.readers for text in rated.texts):
        raise UserError(f"'{config.blv}' lacks the participant of each rating (column participant); give --variances")
    values = [rating for text in rated.texts for rating in text.answers[config.question]]
    readers = [reader for text in rated.texts for reader in text.readers]
    texts = [str(number) for number, text in enumerate(rated.texts) for _ in text.readers]
    variances = rater_variances(values, readers, texts)
    if not variances.items > 0:
        raise UserError(
            f"cannot estimate the variances of people and texts from the ratings in '{config.blv}'; give --variances"
        )
    return variances, f"estimated from the ratings of {config.question} in {rated.name}"


def _designs(config: _PowerConfig) -> list[Design]:
    """Return the designs to simulate."""
    from training.studies.design import load_study
    from training.studies.power import Design

    if config.study is not None:
        return [Design.of_study(load_study(Path(config.study)))]
    people, items = _whole("people", config.people, 2), _whole("items", config.items, 3)
    designs = [Design.usual(n, m, config.each) for n, m in product(people, items) if n * config.each >= m]
    if not designs:
        raise UserError("too few people for the number of items: raise --people or --each")
    return designs


def _recommended(powers: Sequence[Power]) -> Design:
    """Return the smallest design that reaches the usual power for a usual preference; else the largest design."""
    from training.studies.power import PREFERENCE

    sizes = sorted({power.size for power in powers if power.measure == PREFERENCE}, key=lambda size: abs(size - _USUAL))
    enough = [
        power.design
        for power in powers
        if power.measure == PREFERENCE and power.size == sizes[0] and power.share >= _ENOUGH
    ]
    answers = [(design.people * design.each, design.people, design.items) for design in enough]
    if enough:
        return enough[answers.index(min(answers))]
    return max((power.design for power in powers), key=lambda design: (design.people * design.each, design.items))


def _table(powers: Sequence[Power], designs: Sequence[Design]) -> list[list[str]]:
    """Return a header, and for each design a row with the percent of studies that find each difference."""
    sizes = list(dict.fromkeys((power.measure, power.size) for power in powers))
    heads = [f"{size:g}" if measure != "preference" else f"{100 * size:g} %" for measure, size in sizes]
    lines = [["people x pairs (each)", *heads]]
    for design in designs:
        shares = {(power.measure, power.size): power.share for power in powers if power.design == design}
        cells = [f"{100 * shares[key]:.0f} %" if key in shares else "-" for key in sizes]
        lines.append([f"{design.people} x {design.items} ({design.each})", *cells])
    return lines

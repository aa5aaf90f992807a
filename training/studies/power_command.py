"""`python -m training.study power`: how many people and texts a study needs, by simulation."""

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
Simulate studies, and count how often they find a preference for one model's texts, and a difference between two
correlations with ratings. A difference is found if its 95 % interval, which treats people and texts as samples,
leaves out chance. Variances of people, texts and the rest are those of ratings by blind and low-vision readers
(Kreiss et al. 2022, overall quality), or are estimated from other ratings."""
EPILOG = """\
examples:
  clip-descriptions study power
  clip-descriptions study power --people 16,32 --items 40 --each 20 --preference 0.6
  clip-descriptions study power --study study
      the design of a study that was made

files in the output folder:
  power.png    share of simulated studies that find each difference
  power.csv    the same as a table
  power.txt    a paragraph for an application to an ethics board"""
_ENOUGH = 0.8  # power that studies are usually planned for
_USUAL = 0.6  # preference that a design is recommended for


@dataclass(frozen=True, kw_only=True)
class _PowerConfig:
    """Simulated studies."""

    people: str = option("12,24,48", "numbers of participants, a list", metavar="LIST")
    items: str = option("30,60,120", "numbers of pairs that are compared, a list", metavar="LIST")
    each: int = option(30, "most pairs that one participant compares")
    preference: str = option("0.55,0.6,0.7", "true preferences, a list", metavar="LIST")
    correlation: str = option("0.1,0.2", "true differences of correlations, a list; none for none", metavar="LIST")
    study: str | None = option(None, "folder of a study whose design is simulated, in place of people and items")
    variances: str | None = option(None, "variances of people, items and the rest", metavar="P,I,R")
    blv: str | None = option(None, "folder with ratings that variances are estimated from", loads="")
    question: str = option("overall", "question whose ratings are used with --blv", choices=tuple(QUESTIONS))
    simulations: int = option(200, "simulated studies for each design and difference", most=100_000)
    seed: int = option(0, "of the simulations", least=0)
    out: str = option("runs/power", "output folder", role=WORK)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    config = cli.parse(_PowerConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _power(config), on_interrupt=lambda: "the same command begins again")


def _power(config: _PowerConfig) -> int:
    """Check what was asked for, simulate, and write table, picture and paragraph."""
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
    found: list[Power] = []
    beyond: list[str] = []
    total = len(designs) * (len(preferences) + len(correlations)) * config.simulations
    with Bar(total=total, desc="power", unit="simulation") as bar:
        for design in designs:
            common = {"simulations": config.simulations, "seed": config.seed, "on_study": bar.update}
            found += [power_of_preference(design, size, variances, **common) for size in preferences]
            for size in correlations:
                try:
                    found.append(power_of_correlation(design, size, variances, **common))
                except ValueError as error:
                    bar.update(config.simulations)
                    beyond.append(f"{design.people} people, {design.items} pairs: {error}")
    rows = [
        {"people": power.design.people, "items": power.design.items, "each": power.design.each}
        | {name: getattr(power, name) for name in _COLUMNS}
        for power in found
    ]
    write_atomic(out / "power.csv", csv_text(pd.DataFrame(rows)))
    picture = draw(found)
    write_atomic(out / "power.png", picture.png())
    chosen = _recommended(found)
    paragraph = sentence([power for power in found if power.design == chosen], variances, source)
    write_atomic(out / "power.txt", cli.wrapped(paragraph) + "\n")
    print("\n".join(cli.folded(_table(found, designs))))
    print("".join(f"note: {note}\n" for note in beyond), end="")
    print(f"\n{cli.wrapped(paragraph)}\n\nlook at  {out / 'power.png'}\n         {out / 'power.csv'}  every digit")
    return 0


_COLUMNS = ("measure", "size", "share", "low", "high", "simulations")


def _numbers(name: str, text: str, least: float, most: float) -> list[float]:
    """Return the numbers of a list, each between two bounds."""
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--{name} {quoted(text)} is not a list of numbers, such as 0.55,0.6") from None
    if wrong := [value for value in values if not least < value < most]:
        raise UserError(f"--{name}: {wrong[0]:g} is not between {least:g} and {most:g}")
    return list(dict.fromkeys(values))


def _whole(name: str, text: str, least: int) -> list[int]:
    """Return the whole numbers of a list."""
    try:
        values = [int(word) for word in text.split(",")]
    except ValueError:
        raise UserError(f"--{name} {quoted(text)} is not a list of whole numbers, such as 12,24") from None
    if wrong := [value for value in values if not least <= value <= 10_000]:
        raise UserError(f"--{name}: {wrong[0]} is not from {least} to 10000")
    return list(dict.fromkeys(values))


def _variances(config: _PowerConfig) -> tuple[RaterVariances, str]:
    """Return the variances, and words that say where they come from."""
    from interp.stats import RaterVariances, rater_variances
    from training.studies.simulation import OVERALL

    if config.variances is not None and config.blv is not None:
        raise UserError(
            "--variances and --blv exclude each other: name variances, or ratings that they are estimated from"
        )
    if config.variances is not None:
        try:
            people, items, rest = (float(word) for word in config.variances.split(","))
        except ValueError:
            raise UserError(
                f"--variances {quoted(config.variances)} is not three numbers, such as 0.144,0.455,1.104"
            ) from None
        if not (people >= 0 and items > 0 and rest > 0 and people + items + rest < 1e6):
            raise UserError("--variances: those of items and of the rest must be positive, that of people not negative")
        return RaterVariances(people, items, rest), "as given"
    if config.blv is None:
        return OVERALL, "those of ratings of overall quality by blind and low-vision readers in Kreiss et al. (2022)"
    from interp.data.blv import load_blv

    rated = load_blv(config.blv)
    if not all(text.readers for text in rated.texts):
        raise UserError(f"'{config.blv}' does not say who gave each rating (column participant): give --variances")
    values = [rating for text in rated.texts for rating in text.answers[config.question]]
    readers = [reader for text in rated.texts for reader in text.readers]
    texts = [str(number) for number, text in enumerate(rated.texts) for _ in text.readers]
    found = rater_variances(values, readers, texts)
    if not found.items > 0:
        raise UserError(f"the ratings in '{config.blv}' do not tell variances of people and of texts: give --variances")
    return found, f"estimated from the ratings of {config.question} in {rated.name}"


def _designs(config: _PowerConfig) -> list[Design]:
    """Return the designs to simulate."""
    from training.studies.design import load_study
    from training.studies.power import Design

    if config.study is not None:
        return [Design.of_study(load_study(Path(config.study)))]
    people, items = _whole("people", config.people, 2), _whole("items", config.items, 3)
    designs = [Design.usual(n, m, config.each) for n, m in product(people, items) if n * config.each >= m]
    if not designs:
        raise UserError("too few people for so many items: raise --people or --each")
    return designs


def _recommended(found: Sequence[Power]) -> Design:
    """Return the design with fewest answers that finds a usual preference in four of five studies; else the largest."""
    from training.studies.power import PREFERENCE

    sizes = sorted({power.size for power in found if power.measure == PREFERENCE}, key=lambda size: abs(size - _USUAL))
    enough = [
        power.design
        for power in found
        if power.measure == PREFERENCE and power.size == sizes[0] and power.share >= _ENOUGH
    ]
    answers = [(design.people * design.each, design.people, design.items) for design in enough]
    if enough:
        return enough[answers.index(min(answers))]
    return max((power.design for power in found), key=lambda design: (design.people * design.each, design.items))


def _table(found: Sequence[Power], designs: Sequence[Design]) -> list[list[str]]:
    """Return a line for each design: percent of studies that find each difference."""
    sizes = list(dict.fromkeys((power.measure, power.size) for power in found))
    heads = [f"{size:g}" if measure != "preference" else f"{100 * size:g} %" for measure, size in sizes]
    lines = [["people x pairs (each)", *heads]]
    for design in designs:
        shares = {(power.measure, power.size): power.share for power in found if power.design == design}
        cells = [f"{100 * shares[key]:.0f} %" if key in shares else "-" for key in sizes]
        lines.append([f"{design.people} x {design.items} ({design.each})", *cells])
    return lines

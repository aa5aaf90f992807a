"""`python -m training.study simulate`: answers of simulated participants, to try a study before anybody is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.cli import WORK, option
from interp.errors import UserError

PROG = "python -m training.study simulate"
DESCRIPTION = """\
Write the answers of simulated participants, as the page would save them. They tend to choose the texts that one model
prefers, or one kind of text, and can have biases: for the text that comes first, for the longer text, or none for
anything (inattention)."""
EPILOG = """\
example:
  clip-descriptions study simulate --study study --prefer runs/iit-das --preference 0.65 --order 0.2
  clip-descriptions study analyse study/simulated --study study"""


@dataclass(frozen=True, kw_only=True)
class _SimulateConfig:
    """Simulated participants."""

    study: str = option("study", "folder of the study")
    prefer: str | None = option(None, "model or kind of text whose side participants take; by default the last model")
    preference: float = option(0.65, "share of choices, before biases, that take this side", metavar="SHARE")
    order: float = option(0.0, "bias for the text that comes first, in standard deviations", metavar="SD")
    length: float = option(0.0, "bias for the longer text, in standard deviations", metavar="SD")
    inattention: float = option(0.0, "share of screens that are answered at random", metavar="SHARE")
    seed: int = option(0, "of the answers", least=0)
    out: str | None = option(None, "output folder; by default simulated, in the folder of the study", role=WORK)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    config = cli.parse(_SimulateConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _simulate(config), on_interrupt=lambda: "the same command begins again")


def _simulate(config: _SimulateConfig) -> int:
    """Check what was asked for, and write the files."""
    from training.studies.design import load_study
    from training.studies.responses import is_simulated
    from training.studies.simulation import Readers, simulate, true_preferences

    cli.check_bounds(config)
    folder = Path(config.study)
    study = load_study(folder)
    prefer = config.prefer or study.models[-1]
    if prefer not in (*study.models, *study.kinds):
        known = ", ".join((*study.models, *study.kinds))
        raise UserError(f"--prefer {prefer} is neither a model nor a kind of text of this study; known: {known}")
    if not 0 < config.preference < 1:
        raise UserError(f"--preference must be between 0 and 1, not {config.preference:g}")
    if not 0 <= config.inattention <= 1:
        raise UserError(f"--inattention must be from 0 to 1, not {config.inattention:g}")
    out = Path(config.out) if config.out else folder / "simulated"
    if foreign := [path for path in sorted(out.glob("*")) if not is_simulated(path)]:
        raise UserError(f"'{out}' holds '{foreign[0].name}', which was not simulated; choose another folder with --out")
    readers = Readers(
        prefer, config.preference, order=config.order, length=config.length, inattention=config.inattention
    )
    responses = simulate(study, readers, config.seed)
    for response in responses:
        response.save(out)
    print(f"{len(responses)} files of answers in {out}")
    if prefer in study.models:
        truth = true_preferences(study, readers)
        print("without biases, which pull every share towards 50 %, these participants choose each model's text in")
        print("\n".join(f"  {100 * share:5.1f} %  {model}" for model, share in truth.items()))
    print(f"next     {cli.spelled('python -m training.study')} analyse {out} --study {folder}")
    return 0

"""`python -m training.study simulate`: simulate the answers of participants, to try a study before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.cli import WORK, option
from interp.errors import UserError

PROG = "python -m training.study simulate"
DESCRIPTION = """\
Write the answers of simulated participants in the format in which the page saves them. The participants tend to choose
the texts that one model prefers, or texts of one kind. They can have a bias for the first text or for the longer text.
With inattention, they answer a share of the screens at random."""
EPILOG = """\
examples:
  clip-descriptions study simulate --study study --prefer runs/iit-das --preference 0.65 --order 0.2
  clip-descriptions study analyse study/simulated --study study"""


@dataclass(frozen=True, kw_only=True)
class _SimulateConfig:
    """Simulated participants."""

    study: str = option("study", "study folder")
    prefer: str | None = option(None, "model or kind of text that participants follow; by default the last model")
    preference: float = option(0.65, "share of choices that follow --prefer, before biases", metavar="SHARE")
    order: float = option(0.0, "bias for the first text, in standard deviations", metavar="SD")
    length: float = option(0.0, "bias for the longer text, in standard deviations", metavar="SD")
    inattention: float = option(0.0, "share of screens answered at random", metavar="SHARE")
    seed: int = option(0, "seed of the answers", least=0)
    out: str | None = option(None, "output folder; by default simulated in the study folder", role=WORK)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_SimulateConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _simulate(config), on_interrupt=lambda: "the same command starts over")


def _simulate(config: _SimulateConfig) -> int:
    """Check the options, and write the files."""
    from training.studies.design import load_study
    from training.studies.responses import is_simulated
    from training.studies.simulation import Readers, simulate, true_preferences

    cli.check_bounds(config)
    folder = Path(config.study)
    study = load_study(folder)
    prefer = config.prefer or study.models[-1]
    if prefer not in (*study.models, *study.kinds):
        names = ", ".join((*study.models, *study.kinds))
        raise UserError(f"--prefer {prefer} is neither a model nor a kind of text of this study; choose from {names}")
    if not 0 < config.preference < 1:
        raise UserError(f"--preference must be between 0 and 1, not {config.preference:g}")
    if not 0 <= config.inattention <= 1:
        raise UserError(f"--inattention must be from 0 to 1, not {config.inattention:g}")
    out = Path(config.out) if config.out else folder / "simulated"
    if foreign := [path for path in sorted(out.glob("*")) if not is_simulated(path)]:
        raise UserError(
            f"'{out}' holds '{foreign[0].name}', which is not a simulated answer file; choose another folder with --out"
        )
    readers = Readers(
        prefer, config.preference, order=config.order, length=config.length, inattention=config.inattention
    )
    responses = simulate(study, readers, config.seed)
    for response in responses:
        response.save(out)
    print(f"{len(responses)} answer files in {out}")
    if prefer in study.models:
        truth = true_preferences(study, readers)
        print("share of choices of each model's text, before biases, which pull every share towards 50 %:")
        print("\n".join(f"  {100 * share:5.1f} %  {model}" for model, share in truth.items()))
    print(f"next     {cli.spelled('python -m training.study')} analyse {out} --study {folder}")
    return 0

"""`python -m training.study make`: choose texts, and write the pages for participants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.cli import WORK, option
from interp.cli.options import DeviceOptions
from interp.data import DATA_HELP, load_pairs
from interp.data.files import read_file
from interp.data.pairs import digest, held_out, without_equal_texts
from interp.errors import UserError, quoted, reason
from training.studies.rule import RULE

PROG = "python -m training.study make"
DESCRIPTION = f"""\
Choose pairs of texts on which models disagree, and write one page for each group of participants. The pages need no
network and work with screen readers and by keyboard alone. They keep the answers in the browser until participants save
them as a file.

{RULE}"""
EPILOG = """\
example:
  clip-descriptions study make --models base,runs/iit-das --data concadia:data/concadia --items 60 --people 24 \\
      --consent consent.txt --out study

files in the output folder:
  form-A1.html ...    pages for participants; codes.csv lists the page of each participant code
  items.csv           chosen pairs with strata, weights and scores
  images/             images of the items, which participants do not see
  study.json          the design, input of the analysis; do not give it to participants
  rule.txt            the rule of the choice of pairs"""
_MOST = 2**16  # bytes of a consent text


@dataclass(frozen=True, kw_only=True)
class _MakeConfig(DeviceOptions):
    """The study."""

    models: str | None = option(
        None,
        "comma-separated models to compare, at least two (required): toy, local folders, fine-tuned runs, hub ids; "
        "base is the base of the next model",
        metavar="LIST",
        loads="toy",
    )
    data: str = option("toy", f"pairs from which texts are chosen: {DATA_HELP}", loads="toy.*")
    kinds: str | None = option(None, "columns of the two kinds; by default description,caption", metavar="KIND,KIND")
    limit: int | None = option(None, "use about this many pairs, drawn at random; by default all")
    items: int = option(30, "number of text pairs to compare", least=3, most=10_000)
    people: int = option(24, "number of participants", most=10_000)
    each: int = option(30, "maximum number of text pairs for one participant", least=2)
    checks: int = option(2, "number of attention checks for each participant", least=0, most=10)
    repeats: int = option(2, "number of text pairs that each participant sees twice", least=0, most=10)
    language: str = option("en", "language of the page: en, de, or a JSON file", metavar="LANGUAGE")
    text_language: str = option("en", "language of the texts, for screen readers", metavar="TAG")
    consent: str | None = option(None, "text file with the information that participants consent to", metavar="FILE")
    seed: int = option(0, "seed of the choice of pairs, their order, and the codes", least=0)
    out: str = option("study", "output folder", role=WORK)
    trust_run: bool = option(
        False, "also load what the files of a run refer to outside its folder, such as a base model", role=WORK
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_MakeConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _make(config), on_interrupt=lambda: "nothing was written; the same command starts over")


def _make(config: _MakeConfig) -> int:
    """Check the options, score the pairs, and write the study folder."""
    from interp.clip.devices import check_device
    from interp.clip.names import check_models
    from interp.runs.content import to_json
    from training.studies.forms import turns_of
    from training.studies.language import check_tag, load_words

    cli.check_bounds(config)
    models = tuple(name.strip() for name in (config.models or "").split(",") if name.strip())
    if len(models) < 2:
        raise UserError("--models needs at least two models, such as base,runs/iit-das: a study compares them")
    if len(models) != len(set(models)):
        raise UserError("--models lists a model twice; name each model once")
    check_models(models)
    check_device(config.device)
    check_tag("--text-language", config.text_language)
    words = load_words(config.language)
    if config.consent is not None:
        words = words | {"consent": _consent(config.consent)}
    out = Path(config.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            f"'{out}' is not empty; choose another folder with --out, because answers belong to one study only"
        )
    if config.people < (blocks := -(-config.items // config.each)):
        raise UserError(
            f"{config.items} pairs with --each {config.each} need at least {blocks} participants, not {config.people}; "
            "raise --people or --each"
        )
    turns = turns_of(config.people, blocks)
    pairs = held_out(without_equal_texts(load_pairs(config.data, kinds=config.kinds, limit=config.limit)))
    from training.studies.creation import design_study, score_pairs, write_study

    scores, notes = score_pairs(models, pairs, device=config.device, trust=config.trust_run)
    study = design_study(
        pairs,
        scores,
        items=config.items,
        people=config.people,
        each=config.each,
        checks=config.checks,
        repeats=config.repeats,
        seed=config.seed,
        words=digest([to_json(words), config.text_language]),
    )
    write_study(study, pairs, words, out, text_language=config.text_language)
    print("".join(f"note: {note}\n" for note in dict.fromkeys([*pairs.notes, *notes])), end="")
    if config.consent is None:
        print("note: the consent text is a template; replace it with --consent FILE before the study begins")
    if turns < 4:
        fault = "the texts of each pair have only one order" if turns == 1 else "order and rated text are not crossed"
        print(
            f"note: with {config.people} participants for {blocks} blocks of pairs, {fault}; "
            f"{4 * blocks} participants balance both"
        )
    if len(study.items) < config.items:
        print(f"note: the data have only {len(study.items)} pairs; the study uses all of them")
    strata = [item.stratum for item in study.items]
    print(
        f"{len(study.items)} of {study.pairs} pairs: {strata.count('most')} on which the models disagree most, "
        f"{strata.count('middle')} from the middle, {strata.count('least')} on which they disagree least"
    )
    apart = (1 - min(min(row) for row in study.concordance)) / 2
    print(f"the models prefer different texts in up to {100 * apart:.0f} % of all pairs")
    longest = max(len(form.screens) for form in study.forms)
    print(f"{study.people} participants, {len(study.forms)} pages of up to {longest} screens")
    print(f"\nlook at  {out / f'form-{study.forms[0].name}.html'}  in a browser, with code {study.forms[0].codes[0]}")
    print(f"         {out / 'codes.csv'}  page of each participant code")
    print(f"try it   {cli.spelled('python -m training.study')} simulate --study {out} --prefer {study.models[-1]}")
    return 0


def _consent(name: str) -> str:
    """Read the consent text; empty lines separate paragraphs, and other line breaks are kept."""
    try:
        text = read_file(name, _MOST).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read the consent text {quoted(name)}: {getattr(error, 'strerror', None) or reason(error)}"
        ) from error
    if not text.strip():
        raise UserError(f"the consent text {quoted(name)} is empty")
    lines = [line.strip() for line in text.splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

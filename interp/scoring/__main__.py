"""Command `python -m interp.scoring FILE`: score the alt texts of a table and write a page about them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interp import cli
from interp.cli import argument, option
from interp.cli.options import DeviceOptions
from interp.clip.names import BASE, check_bases, check_named
from interp.drawing.markup import plural
from interp.errors import UserError, shown
from interp.scoring.reliability import BRIEFLY

if TYPE_CHECKING:
    from interp.scoring.rows import AltTexts

PROG = "python -m interp.scoring"
_LISTED, _WORST = 20, 5  # largest numbers of rows without a score, and of lowest scores, that the terminal shows
DESCRIPTION = """\
Score how well each alt text of a table fits its image, with one or more models. Write a page that lists the texts from
the lowest score to the highest, with the words that raise and lower each score.

The table is a CSV file (commas, semicolons or tabs, in any encoding) or a spreadsheet (.xlsx, .ods). One column holds
the paths of the images, relative to the folder of the table. Another column holds the texts. Rows that cannot be scored
are listed with the reason. All other rows are scored.

A score does not measure quality. The page explains how far to trust a score."""
EPILOG = """\
examples:
  clip-descriptions score alts.xlsx --model openai/clip-vit-base-patch32
      writes alts-scores/scores.csv and alts-scores/scores.html
  clip-descriptions score alts.csv --model base --model runs/iit-das
      compares scores before and after fine-tuning
  clip-descriptions score alts.csv --image file --text alt --model models/mine

exit status: 0 if all rows were scored, except decorative images; 1 if other rows could not be scored; 2 if no row
could be scored"""


@dataclass(frozen=True, kw_only=True)
class _ScoreConfig(DeviceOptions):
    """The table."""

    file: str = argument("table of alt texts: .csv, .tsv, .xlsx, .ods", metavar="FILE")
    image: str | None = option(None, "column with the paths of the images; guessed by default", metavar="COLUMN")
    text: str | None = option(None, "column with the texts; guessed by default", metavar="COLUMN")
    model: tuple[str, ...] = option(
        (),
        "model: a local folder, a fine-tuned run, a hub id, a checkpoint of open_clip, or base for the base of the "
        "next model; repeat the option for each further model",
        metavar="MODEL",
        again=True,
        loads="toy",
    )
    words: int = option(50, "number of texts whose words are shaded, from the lowest score on; 0 for none", least=0)
    out: str | None = option(None, "folder of the results; by default, the table's name with -scores", metavar="DIR")
    trust_run: bool = option(
        False, "also load what the files of a run refer to outside its folder, such as a base model"
    )

    @property
    def folder(self) -> Path:
        """Folder of the results."""
        table = Path(self.file)
        return Path(self.out) if self.out else table.with_name(f"{table.stem}-scores")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_ScoreConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _score(config), on_interrupt=lambda: "embedded images are kept; to continue, run it again")


def _score(config: _ScoreConfig) -> int:
    from interp.scoring.marker import check_results
    from interp.scoring.rows import read_alt_texts

    cli.check_bounds(config)
    if not config.model:
        raise UserError("no model given; add a model, for example --model openai/clip-vit-base-patch32")
    check_bases(config.model)
    table = read_alt_texts(config.file, config.image, config.text)
    print("".join(f"note: {note}\n" for note in table.notes), end="")
    unusable = [row for row in table.rows if row.problem]
    print(f"{plural(len(table.rows), 'row')} in '{table.file}', {len(unusable)} of which cannot be scored", flush=True)
    print("".join(f"  row {row.number}: {row.problem} ({shown(row.image)})\n" for row in unusable[:_LISTED]), end="")
    if len(unusable) > _LISTED:
        print(f"  and {plural(len(unusable) - _LISTED, 'more row')}; the page lists all of them")
    check_named(*(name for name in config.model if name != BASE))
    check_results(config.folder, Path(config.file))
    return _write_results(config, table)


def _write_results(config: _ScoreConfig, table: AltTexts) -> int:
    """Score the table, write and print the results, and return the exit status."""
    from interp.cli.progress import Bar
    from interp.clip.bases import named_models
    from interp.clip.loading import load_clip
    from interp.scoring.marker import begin_results
    from interp.scoring.page import number, write_page
    from interp.scoring.results import write_scores
    from interp.scoring.scores import score_table, shade_words

    models = named_models(config.model, trust=config.trust_run)
    names = [name for name, _ in models]
    clips = [load_clip(name, device=config.device, trust=trust) for name, trust in models]
    with Bar(total=sum(row.path is not None for row in table.rows), desc="images", unit="image") as bar:
        scored, images = score_table(clips, table, bar.update)
    unreadable = [row for row in scored.table.rows if row.problem and row not in table.rows]
    if not scored.table.usable:
        raise UserError(f"no row can be scored; row {unreadable[0].number}: {unreadable[0].problem}")
    config.folder.mkdir(parents=True, exist_ok=True)
    begin_results(config.folder, Path(config.file))
    csv = write_scores(scored, config.folder)
    with Bar(total=min(config.words, len(scored.table.usable)), desc="words", unit="text") as bar:
        scored = shade_words(scored, clips[-1], images, config.words, config.folder, bar.update)
    page = write_page(scored, config.folder)
    if "toy" in names:
        print("note: the model toy only knows its own drawn pictures; its scores of other pictures are meaningless")
    print("".join(f"note: {note}\n" for note in scored.notes), end="")
    print("".join(f"  row {row.number}: {row.problem}\n" for row in unreadable[:_LISTED]), end="")
    print(f"\nlowest of {plural(len(scored.table.usable), 'score')}{f' by {names[-1]}' if len(names) > 1 else ''}:")
    for place in scored.worst_first[:_WORST]:
        row = scored.table.rows[place]
        print(cli.cut(f"  {number(scored.scores[-1, place])}  row {row.number}  {shown(row.text, 100)}", cli.WIDTH))
    print(f"\n{cli.wrapped(f'Note: {BRIEFLY}.')}\n")
    print(f"look at  {page}  in a browser")
    print(f"         {csv}  in a spreadsheet; it has all rows")
    return int(any(row.problem and not row.decorative for row in scored.table.rows))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m interp.scoring FILE`: score the alt texts of a spreadsheet, and show them on a page."""

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
_LISTED, _WORST = 20, 5  # numbers of rows that the terminal shows
DESCRIPTION = """\
Score how well each alt text of a table fits its image, for each model that is named, and write a page that lists the
texts from the lowest score to the highest, with the words that raise and lower it.

The table is a CSV file (commas, semicolons or tabs, in any encoding) or a spreadsheet (.xlsx, .ods). One column holds
paths of images, relative to the folder of the table; one holds texts. Rows that cannot be scored are listed, with the
reason, and the others are scored.

A score is no measure of quality: the page says how far it can be believed."""
EPILOG = """\
examples:
  clip-descriptions score alts.xlsx --model openai/clip-vit-base-patch32
      writes alts-scores/scores.csv and alts-scores/scores.html
  clip-descriptions score alts.csv --model base --model runs/iit-das
      before and after a fine-tuning, and the difference
  clip-descriptions score alts.csv --image file --text alt --model models/mine

exit status: 0, 1 if there are rows that cannot be scored, 2 if nothing can be"""


@dataclass(frozen=True, kw_only=True)
class _ScoreConfig(DeviceOptions):
    """The table."""

    file: str = argument("table of alt texts: .csv, .tsv, .xlsx, .ods", metavar="FILE")
    image: str | None = option(None, "column with the paths of images; by default guessed", metavar="COLUMN")
    text: str | None = option(None, "column with the texts; by default guessed", metavar="COLUMN")
    model: tuple[str, ...] = option(
        (),
        "a local folder, a fine-tuned run, a hub id, a checkpoint of open_clip, or base for the base of the next "
        "model; give the option again for another model",
        metavar="MODEL",
        again=True,
        loads="toy",
    )
    words: int = option(50, "texts whose words are shaded, those of the lowest scores; 0 for none", least=0)
    out: str | None = option(None, "folder of the results; by default the name of the table and -scores", metavar="DIR")
    trust_run: bool = option(False, "load what the files of a run name besides, such as a base from elsewhere")

    @property
    def folder(self) -> Path:
        """Folder of the results."""
        table = Path(self.file)
        return Path(self.out) if self.out else table.with_name(f"{table.stem}-scores")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_ScoreConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _score(config), on_interrupt=lambda: "images that were embedded are kept: run it again")


def _score(config: _ScoreConfig) -> int:
    from interp.scoring.marker import check_results
    from interp.scoring.rows import read_alt_texts

    cli.check_bounds(config)
    if not config.model:
        raise UserError("no model is named; add, for example, --model openai/clip-vit-base-patch32")
    check_bases(config.model)
    table = read_alt_texts(config.file, config.image, config.text)
    print("".join(f"note: {note}\n" for note in table.notes), end="")
    lacking = [row for row in table.rows if row.problem]
    print(f"{plural(len(table.rows), 'row')} in '{table.file}', {len(lacking)} of which cannot be scored", flush=True)
    print("".join(f"  row {row.number}: {row.problem} ({shown(row.image)})\n" for row in lacking[:_LISTED]), end="")
    if len(lacking) > _LISTED:
        print(f"  and {len(lacking) - _LISTED} more, see the page")
    check_named(*(name for name in config.model if name != BASE))
    check_results(config.folder, Path(config.file))
    return _computed(config, table)


def _computed(config: _ScoreConfig, table: AltTexts) -> int:
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
        print("note: toy knows only its own drawn pictures: its scores of others mean nothing")
    print("".join(f"note: {note}\n" for note in scored.notes), end="")
    print("".join(f"  row {row.number}: {row.problem}\n" for row in unreadable[:_LISTED]), end="")
    print(f"\nlowest scores of {len(scored.table.usable)}{f', by {names[-1]}' if len(names) > 1 else ''}:")
    for place in scored.worst_first[:_WORST]:
        row = scored.table.rows[place]
        print(cli.cut(f"  {number(scored.scores[-1, place])}  row {row.number}  {shown(row.text, 100)}", cli.WIDTH))
    print(f"\n{cli.wrapped(f'Note: {BRIEFLY}.')}\n")
    print(f"look at  {page}  in a browser")
    print(f"         {csv}  every row, also in a spreadsheet")
    return int(any(row.problem and not row.decorative for row in scored.table.rows))


if __name__ == "__main__":
    sys.exit(main())

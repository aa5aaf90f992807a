"""Choice of a cell of a sweep: by validation pairs alone, by a rule that does not tie if shares are 100 %."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.measures import Key
from interp.report.tables import is_tuned

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Rule:
    """One-standard-error rule (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3), with tie-breakers.

    Shares of a few hundred pairs differ slightly by chance, and many reach 100 %. Every cell whose share is at most one
    standard error below the highest therefore counts as good as the best. Among these cells the other properties
    decide, in their order; less is better. Nothing is chosen on test pairs.

    * Fine-tuned cells: preference on val; then the model's loss of the base's retrieval on val; then the smaller size,
      the earlier layer, the lower seed. The loss of retrieval is the rise of the cross-entropy of picking an image's
      own text among the candidates, in nats, as the mean over both kinds of text. The rise has no ceiling, so it does
      not tie.
    * Frozen search: IIA on val; then the smaller size, the lower loss of the search on val, the earlier layer, the
      lower seed.

    Attributes:
        share: measure on val, the higher the better; if several cells have the highest value, the largest standard
            error counts.
        error: standard error of `share`.
        loss: measure on val, the lower the better.
        order: columns that decide among equally good cells; ``{}`` stands for the column of the loss.
        words: rule in words, a whole sentence.
    """

    share: Key
    error: Key
    loss: Key
    order: tuple[str, ...]
    words: str


TUNED = Rule(
    Key("preference_val", model="tuned"),
    Key("preference_val_se", model="tuned"),
    Key("retrieval_rise_val", model="tuned"),
    ("{}", "size", "layer", "seed"),
    "Among the cells whose preference on validation pairs is within one standard error of the highest, the rule takes "
    "the cell whose model lost least of the base's retrieval there (rise of cross-entropy, nats), then the smaller "
    "size, the earlier layer, the lower seed.",
)
FROZEN = Rule(
    Key("iia_val"),
    Key("iia_val_se"),
    Key("das_val_loss"),
    ("size", "{}", "layer", "seed"),
    "Among the cells whose IIA on validation pairs is within one standard error of the highest, the rule takes the "
    "smallest size, then the lowest loss of the search there, the earlier layer, the lower seed.",
)


def rule_of(frame: pd.DataFrame) -> Rule:
    """Return the rule for the cells of a run."""
    return TUNED if is_tuned(frame) else FROZEN


def as_good(frame: pd.DataFrame, rule: Rule) -> pd.DataFrame:
    """Return the cells within one standard error of the highest share; an undefined share is below all others."""
    share = frame[rule.share.column()].fillna(-np.inf)
    highest = share.max()
    error = frame.loc[share == highest, rule.error.column()].max()
    return frame[share >= highest - np.nan_to_num(error)]


def best_cell(frame: pd.DataFrame) -> pd.Series:
    """Return the cell that the validation pairs choose."""
    rule = rule_of(frame)
    order = [name.format(rule.loss.column()) for name in rule.order]
    return as_good(frame, rule).sort_values(order, na_position="last").iloc[0]

"""Text of the rule by which `training.studies.sampling` chooses pairs. No numpy, for a quick --help."""

RULE = """\
Pairs are ordered by the disagreement of the models. Pairs on which models prefer different texts come first, then all
other pairs. Within both groups, pairs are ordered by the spread of the models' gaps (score of the positive text minus
score of the negative text, divided by the root mean square of the model's gaps). The first quarter of the pairs is the
stratum "most", the last quarter is "least", and the rest is "middle". A quarter of the items comes from "most", a
quarter from "least", and a half from all strata in proportion to their sizes. Within each stratum, items are drawn at
random without replacement, by the seed. The weight of an item is the number of pairs of its stratum divided by the
number of items drawn from the stratum, so weighted means are unbiased for all pairs."""

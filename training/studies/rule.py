"""Rule by which pairs are chosen, in words (`training.studies.sampling` applies it). No numpy, for a quick --help."""

RULE = """\
Pairs are put in order by how far the models disagree. Pairs on which models prefer different texts come first. Within
both groups, pairs are ordered by the spread of the models' gaps (score of one text minus score of the other, divided
by the root mean square of the model's gaps). The first quarter of the pairs is the stratum "most", the last quarter
"least", the rest "middle". A quarter of the items goes to "most", a quarter to "least", and a half to all strata in
proportion to their sizes. Within each stratum, items are drawn at random without replacement, by the seed. An item's
weight is the number of pairs of its stratum divided by the number of items drawn from it, so that weighted means are
unbiased for all pairs."""

"""Names of the figures and tables."""

FIGURES = (
    "fig_pairs",
    "fig_method",
    "fig_sweep",
    "fig_attributions",
    "fig_norms",
    "fig_training",
    "fig_tradeoff",
    "fig_dose",
)
TABLES = {  # table -> its requirements
    "table1": "preferences: evaluate with the task preference",
    "table2": "ratings of readers: evaluate with --blv FOLDER",
    "table3": "norms: evaluate with the task norms",
    "table4": "several data sets: evaluate with --data FIRST,OTHER",
}

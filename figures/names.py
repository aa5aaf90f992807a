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
    "table1": "preferences: evaluate models with the task preference",
    "table2": "ratings by readers: evaluate models with --blv FOLDER",
    "table3": "norms: evaluate models with the task norms",
    "table4": "several data sets: evaluate models with --data FIRST,OTHER",
}

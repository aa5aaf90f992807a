"""Names of measures of the task `domains` that tables read. No torch."""

LONGER, CONCRETE = "longer text", "more concrete text"
WORDS_OF_FIRST = "words of the first data"
OWN, NO_TEMPLATES = "own words", "own words, no templates"
RULES = (LONGER, CONCRETE, WORDS_OF_FIRST, OWN, NO_TEMPLATES)  # preferences without an image
BEYOND = "beyond words of the first data"

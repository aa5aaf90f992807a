"""Names of measures of the task `domains` that tables read. No torch."""

WORDS_OF_FIRST = "words of the first data"
BEYOND = "beyond words of the first data"

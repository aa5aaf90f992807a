"""How shapes and types are checked at run time: as mypy does, an int will do for a float (PEP 484)."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))

"""Counts of the data sets, texts and files that a command reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from interp.data import DATA_SETS
from interp.runs import content, files

LOADING = Counter(["a word"])  # tokenized to check whether a tokenizer fits a model


@dataclass(frozen=True)
class Reading:
    """Counts of reads.

    Attributes:
        data: data sets of pairs that were loaded.
        texts: texts that were tokenized.
        files: files of runs that were read.
        checked: contents whose checksum was computed.
    """

    data: list[str] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)
    files: Counter[Path] = field(default_factory=Counter)
    checked: Counter[bytes] = field(default_factory=Counter)

    def of(self, folder: Path, pattern: str) -> dict[str, int]:
        """Return the number of reads of each file of a folder that matches a pattern."""
        return {path.name: self.files[path] for path in sorted(folder.glob(pattern))}


@contextmanager
def reading() -> Iterator[Reading]:
    """Count the reads of this process during the body."""
    counts = Reading()

    def loading(name: str, load: Callable[..., Any]) -> Callable[..., Any]:
        def loaded(*args: Any) -> Any:
            counts.data.append(name)
            return load(*args)

        return loaded

    tokenize, read, check = PreTrainedTokenizerBase.__call__, files.read_file, content.is_intact

    def tokenized(self: Any, texts: list[str], **options: Any) -> Any:
        counts.texts.update(texts)
        return tokenize(self, texts, **options)

    def was_read(path: Path, most: int) -> bytes:
        data = read(path, most)
        counts.files[Path(path)] += 1
        return data

    def checked(data: bytes) -> bool:
        counts.checked[data] += 1
        return check(data)

    with pytest.MonkeyPatch.context() as patcher:
        for name, load in DATA_SETS.items():
            patcher.setitem(DATA_SETS, name, loading(name, load))
        patcher.setattr(PreTrainedTokenizerBase, "__call__", tokenized)
        patcher.setattr("interp.runs.files.read_file", was_read)
        patcher.setattr("interp.runs.folder.is_intact", checked)
        yield counts

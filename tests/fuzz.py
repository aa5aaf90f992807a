"""Fuzzing of readers with atheris, which changes good bytes guided by code coverage: `python -m tests.fuzz READER`.

For any content of a file, a reader must return its usual result or raise a `UserError` of one line. Anything else stops
the fuzzer, which saves the bytes in a file `crash-*`; `python -m tests.fuzz READER crash-...` reads them again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["interp.data", "interp.runs", "interp.report"]):
    from interp.data.concadia import load_concadia
    from interp.errors import LONGEST, UserError
    from interp.report.page.page import page
    from interp.report.sweep_run import load_sweep
    from interp.runs.chosen_cell import read_chosen
    from interp.runs.directions import read_directions
    from interp.runs.examples import read_examples

from tests.run_folders import rewrite, write_sweep

LONG = 100_000  # most bytes of an input
PAGES = 50  # draw the page of one in 50 readable run folders

Reader = Callable[[bytes], None]


def concadia(folder: Path) -> tuple[Reader, list[bytes]]:
    """Return a reader of bytes as `wiki_split.json`, and good bytes."""
    (folder / "resized").mkdir(parents=True)
    texts = {"description": {"raw": "a red star"}, "caption": {"raw": "the harbour"}}
    items = [
        {"filename": f"{i}.jpg", "split": split, "article_id": f"A{i}", **texts}
        for i, split in enumerate(("train", "val", "test"))
    ]

    def read(data: bytes) -> None:
        (folder / "wiki_split.json").write_bytes(data)
        load_concadia(folder).fingerprint  # noqa: B018

    return read, [json.dumps({"images": items}).encode()]


def run_folder(folder: Path) -> tuple[Reader, list[bytes]]:
    """Return a reader of bytes as a JSON file of a sweep, and good bytes.

    The first byte selects the file. If the second byte is odd, the file gets a checksum that fits.
    """
    run = write_sweep(folder / "run")
    files = sorted(path for path in run.rglob("*.json") if path.is_file())
    good = {path: path.read_bytes() for path in files}
    read_before = 0

    def read(data: bytes) -> None:
        nonlocal read_before
        number, seal, content = (*data[:2], data[2:]) if len(data) > 2 else (0, 0, data)
        path = files[number % len(files)]
        path.write_bytes(content)
        try:
            if seal % 2:
                rewrite(path, json.loads(content))
        except (ValueError, RecursionError):
            pass  # the content is not JSON, so it cannot have a checksum
        try:
            sweep = load_sweep(run)
            read_examples(sweep.folder), read_chosen(sweep.folder, sweep.objective), read_directions(sweep.folder)
            read_before += 1
            if read_before % PAGES == 1:
                page(sweep)
        finally:
            path.write_bytes(good[path])

    return read, [bytes([i, seal]) + good[path] for i, path in enumerate(files) for seal in (0, 1)]


READERS = {"concadia": concadia, "run-folder": run_folder}


def main() -> None:
    """Run the fuzzer of a reader; pass all other arguments to libFuzzer."""
    name, *more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        read, seeds = READERS[name](Path(place) / "data")
        corpus = Path(place) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / str(number)).write_bytes(seed)

        def check(data: bytes) -> None:
            try:
                read(data)
            except UserError as error:
                message = str(error)
                if not message or "\n" in message or len(message) > LONGEST:
                    raise RuntimeError(f"not an error of one line: {message!r}") from error

        inputs = [] if any(Path(word).is_file() for word in more) else [str(corpus)]
        atheris.Setup([sys.argv[0], f"-max_len={LONG}", "-timeout=20", *more, *inputs], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

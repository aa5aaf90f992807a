"""Rows of parquet files, on disk or in a data set of the hub, and the images in them."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, read_file
from interp.data.hub import HubError, ask_hub
from interp.errors import first_line


def fetch_parquet(
    repo: str,
    patterns: Sequence[str],
    advice: Callable[[bool], str],
    silence: HubError | None,
    revision: str | None = None,
) -> Path:
    """Fetch files of a data set of the hub, or find them in its cache, and return their folder.

    Args:
        repo: owner/name on the hub.
        patterns: patterns of the files' names.
        advice: function that returns the remedy for an error message; its argument is True if the hub requires its
            users to accept terms first.
        silence: result of `silence_of`.

    Raises:
        DataError: the hub cannot be reached or refuses, and the files are not in the cache.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError

    quiet()
    try:
        folder = snapshot_download(
            repo,
            repo_type="dataset",
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=silence is not None,
        )
    except Exception as error:
        raise DataError(
            f"cannot fetch the data set '{repo}' from the hub ({first_line(silence or error)}); "
            f"{advice(isinstance(error, GatedRepoError))}"
        ) from error
    return Path(folder)


def open_parquet(files: Sequence[Path], where: str) -> Any:
    """Return the rows of parquet files, concatenated, as a `datasets.Dataset`.

    Args:
        where: name of the data, for messages.

    Raises:
        DataError: the files cannot be read, or have no rows.
    """
    import datasets
    from pyarrow import parquet

    quiet()
    try:
        if not any(parquet.read_metadata(file).num_rows for file in files):
            raise DataError(f"the parquet files of '{where}' have no rows")
        paths = [glob.escape(os.path.abspath(file)) for file in files]
        return datasets.load_dataset("parquet", data_files=paths, split="train")
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"cannot read the parquet files of '{where}': {first_line(error.__cause__ or error)}"
        ) from error


def columns_of(file: Path, where: str) -> list[str]:
    """Return the names of a parquet file's columns; raise `DataError` if the file cannot be read."""
    from pyarrow import parquet

    try:
        return [str(name) for name in parquet.read_schema(file).names]
    except Exception as error:
        raise DataError(f"cannot read the parquet files of '{where}': {first_line(error)}") from error


def image_column(features: Any, where: str) -> str:
    """Return the first column of images; raise `DataError` if there is none."""
    import datasets

    for column, kind in features.items():
        if isinstance(kind, datasets.Image) or (isinstance(kind, dict) and set(kind) == {"bytes", "path"}):
            return str(column)
    raise DataError(f"'{where}' has no column of images; its columns: {', '.join(features)}")


def encoded_images(rows: Any, column: str, inside: Path) -> Callable[[int], bytes]:
    """Return a function from a row's number to the encoded bytes of its image; it raises `DataError` without an image.

    Args:
        inside: folder of the files; rows must not name images outside this folder.
    """
    import datasets

    images = rows.select_columns([column]).cast_column(column, datasets.Image(decode=False))

    def read(i: int) -> bytes:
        item = images[i][column] or {}
        if (content := item.get("bytes")) is not None:
            return bytes(content)
        path = (inside / str(item.get("path") or "")).resolve()
        if not item.get("path") or not path.is_relative_to(inside.resolve()):
            raise DataError("the row has no image, or refers to an image outside the folder of its file")
        return read_file(path, MOST_IMAGE)

    return read


def quiet() -> None:
    """Hide the libraries' progress bars outside of a terminal, and their error reports everywhere."""
    import datasets
    from huggingface_hub.utils import disable_progress_bars

    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
        disable_progress_bars()


def silence_of(repo: str, revision: str | None = None) -> HubError | None:
    """Return the reason why only the hub's cache can be asked for a data set; None if the hub itself answers."""
    try:
        ask_hub(repo, revision or "main", "dataset")
    except HubError as error:
        return error
    return None

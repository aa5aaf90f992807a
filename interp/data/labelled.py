"""Labelled images in parquet files, on the hub or on disk, and in folders with one folder for each class."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, MOST_TEXT, read_file
from interp.data.parquet import encoded_images, fetch_parquet, image_column, open_parquet, silence_of
from interp.drawing.markup import plural

CLASSES = "classes.txt"  # file of class names, one per line, for data that have only numbers


@dataclass(frozen=True)
class Table:
    """Labelled images in the common form of all sources.

    Attributes:
        classes: names of the classes in the source.
        labels: label of each image.
        read: function from the number of an image to its encoded bytes.
        place: function from the number of an image to its name in errors.
    """

    classes: Sequence[str]
    labels: Sequence[int]
    read: Callable[[int], bytes]
    place: Callable[[int], str]


def from_hub(name: str, repo: str, *, split: str | None = None, label: str | None = None, terms: bool = False) -> Table:
    """Fetch the parquet files of one split, or find them in the hub's cache, and read them.

    `datasets.load_dataset` would fetch every split (150 GB for ImageNet), and offline would not find part of a data
    set.

    Args:
        name: user's name of the data set, for messages.
        repo: owner/name on the hub.
        split: first split to look for; then test, validation, and any files.
        label: required column of labels, if any.
        terms: True if the hub requires its users to accept terms first.

    Returns:
        The images of the first split that exists, with their labels and the names of the classes.

    Raises:
        DataError: the hub cannot be reached or refuses, or the files cannot be used.
    """

    def advice(gated: bool) -> str:
        accept = f"accept its terms at https://huggingface.co/datasets/{repo} and run `hf auth login`, or "
        return f"{accept * (gated or terms)}download it elsewhere and give it as {name}=PATH"

    folder, files, silence = Path(), list[Path](), silence_of(repo)
    for part in _splits(split):
        patterns = [f"{start}{part}[-_./]*parquet" for start in ("", "*/")] if part else ["*.parquet"]
        folder = fetch_parquet(repo, patterns, advice, silence)
        if files := _of_split(folder, part):
            break
    if not files:
        raise DataError(
            f"the data set '{repo}' of the hub has no parquet files; download it and give it as {name}=PATH"
        )
    return _from_parquet(files, repo, folder / CLASSES, label)


def from_disk(name: str, where: str, *, split: str | None = None, label: str | None = None) -> Table:
    """Read a parquet file, a folder of parquet files, or a folder with one folder of images for each class.

    Args:
        name, split, label: as in `from_hub`.
        where: the file or folder.

    Returns:
        The images, of the first split that exists if the files have splits, with labels and names of classes.

    Raises:
        DataError: the file or folder does not exist or cannot be used.
    """
    path = Path(where)
    if not os.path.exists(path):  # unlike Path.exists, never raises
        raise DataError(f"{name}: no file or folder '{where}'")
    if path.suffix == ".parquet" and path.is_file():
        return _from_parquet([path], where, path.parent / CLASSES, label)
    try:
        files: list[Path] = next(filter(None, (_of_split(path, part) for part in _splits(split))), [])
        return _from_parquet(files, where, path / CLASSES, label) if files else _from_folder(path)
    except OSError as error:
        raise DataError(f"cannot read '{where}': {error.strerror or error}") from error


def _splits(first: str | None) -> list[str]:
    """Return splits in the order in which they are looked for; the empty split stands for all files."""
    return list(dict.fromkeys([first or "test", "test", "validation", "val", ""]))


def _of_split(folder: Path, split: str) -> list[Path]:
    """Return the parquet files that their name or folder assigns to a split.

    Raises:
        DataError: names such as test-00000-of-00003.parquet show that files are missing.
    """
    pattern = re.compile(rf"(^|/){split}[-_./]" if split else "")
    files = [file for file in sorted(folder.rglob("*.parquet")) if pattern.search(str(file.relative_to(folder)))]
    expected = max((int(part) for file in files for part in re.findall(r"-of-(\d+)", file.name)), default=0)
    if expected > len(files):
        raise DataError(
            f"'{folder}' has only {len(files)} of the {expected} parquet files that its file names announce; download "
            "the others"
        )
    return files


def _from_folder(path: Path) -> Table:
    """Read one folder of images for each class, without `datasets`, which takes a class 'train' for a split."""
    from PIL import Image

    suffixes = Image.registered_extensions()
    folders = sorted(child for child in _visible(path) if child.is_dir()) if path.is_dir() else []
    images = [
        (file, label)
        for label, folder in enumerate(folders)
        for file in sorted(_visible(folder))
        if file.suffix.lower() in suffixes
    ]
    if not images:
        raise DataError(
            f"'{path}' is no parquet file, no folder of parquet files, and no folder with a folder of images per class"
        )
    names = _class_names(path / CLASSES, [folder.name for folder in folders])
    if len(names) != len(folders):
        raise DataError(
            f"'{path / CLASSES}' names {len(names)} classes for {len(folders)} folders; "
            "write one class name per line, in the order of the sorted folder names"
        )
    labels = [label for _, label in images]
    _check_labels(labels, names, str(path))
    return Table(names, labels, lambda i: read_file(images[i][0], MOST_IMAGE), lambda i: str(images[i][0]))


def _visible(folder: Path) -> Iterable[Path]:
    return (child for child in folder.iterdir() if not child.name.startswith("."))


def _from_parquet(files: Sequence[Path], where: str, classes: Path, label: str | None) -> Table:
    rows = open_parquet(files, where)
    image, label = _columns(rows.features, where, label)
    names = _class_names(classes, getattr(rows.features[label], "names", None))
    if names is None:
        raise DataError(
            f"'{where}' has numbers of classes but no names; write the names into '{classes}', one name per line"
        )
    labels = rows[label][:]
    _check_labels(labels, names, where)
    return Table(names, labels, encoded_images(rows, image, files[0].parent), lambda i: f"{where}, row {i}")


def _columns(features: Any, where: str, label: str | None) -> tuple[str, str]:
    """Return the columns of images and of labels; fine labels come before coarse ones, named labels before numbers."""
    import datasets

    image = image_column(features, where)
    named = [column for column, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    plain = [column for column, kind in features.items() if "int" in str(getattr(kind, "dtype", ""))]
    wanted = [label] if label else ["fine_label", *named, "label", "labels"]
    for column in wanted:
        if column in {*named, *plain}:
            return image, column
    expected = f"'{label}'" if label else "a ClassLabel, or whole numbers in a column 'label'"
    raise DataError(f"'{where}' has no column of labels (expected: {expected}); its columns: {', '.join(features)}")


def _class_names(path: Path, default: list[str] | None) -> Any:
    """Return the names in `classes.txt` if the file exists, otherwise the names in the data."""
    return read_lines(path) if path.exists() else default


def _check_labels(labels: Sequence[Any], names: Sequence[str], where: str) -> None:
    if wrong := [label for label in labels if label is None or not 0 <= label < len(names)]:
        raise DataError(
            f"'{where}' has an image labelled {wrong[0]}; with {plural(len(names), 'class name')}, labels must be "
            f"from 0 to {len(names) - 1}"
        )


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not blank, stripped.

    Raises:
        DataError: the file cannot be read, or is not text in UTF-8.
    """
    try:
        text = read_file(path, MOST_TEXT).decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"'{path}' is not a text file in UTF-8") from error
    return [line.strip() for line in text.splitlines() if line.strip()]

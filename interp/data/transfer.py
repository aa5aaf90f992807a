"""Zero-shot classification: labelled images and the prompts of their classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp.data.errors import DataError
from interp.data.images import checksum, open_rgb
from interp.data.labelled import CLASSES, Table, from_disk, from_hub, read_lines
from interp.data.pairs import digest
from interp.errors import quoted, shown

if TYPE_CHECKING:
    from PIL.Image import Image

TOY_TASKS = ("shape", "colour", "arrangement", "place")
_TOY_IMAGES = 1024
_TEMPLATE = "A picture of {}"


@dataclass(frozen=True)
class LabelledImages:
    """Images with one class each, and the prompts of the classes.

    Attributes:
        name: name for tables.
        texts: for each class all its prompts, to be ensembled (mean of unit embeddings).
        classes: cleaned names of the classes.
        labels: class of each image.
        open_image: function from a number to the image as RGB; raises `DataError` if the image cannot be read.
        image_key: function from a number to a key that changes with the content of the image; cheaper than opening it.
        notes: sentences for the user.
    """

    name: str
    texts: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    open_image: Callable[[int], Image]
    image_key: Callable[[int], str]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Checksum of each image; all images are read once for this."""
        return tuple(self.image_key(i) for i in range(len(self)))

    @cached_property
    def fingerprint(self) -> str:
        """Checksum that changes whenever prompts, classes, labels or images change."""
        prompts = [f"{len(texts)}" for texts in self.texts] + [text for texts in self.texts for text in texts]
        return digest([*prompts, *self.classes, *map(str, self.labels), *self.keys])


@dataclass(frozen=True)
class _Known:
    """Data set of the hub on which the authors report, with its title, repository and prompt."""

    title: str
    repo: str
    split: str
    label: str
    template: str = _TEMPLATE
    gated: bool = False


KNOWN = {
    "cifar100": _Known("CIFAR-100", "uoft-cs/cifar100", "test", "fine_label", "a photo of a {}"),
    "food101": _Known("Food101", "ethz/food101", "validation", "label"),
    "imagenet": _Known("ImageNet", "ILSVRC/imagenet-1k", "validation", "label", gated=True),
}


def default_sets(data: str) -> str:
    """Return the default classification sets for a model's data.

    For the toy, this is its own set; for Concadia, these are the sets of the paper. Other data have no default, since a
    download was not requested.
    """
    if data == "toy":
        return "toy"
    return ",".join(KNOWN) if data.startswith("concadia:") else ""


def load_transfer(
    specs: str, *, templates: Path | None = None, limit: int | None = None, seed: int = 0
) -> list[LabelledImages]:
    """Load a comma-separated list of classification sets.

    Args:
        specs: ``toy`` (four tasks on the same images); ``cifar100``, ``food101``, ``imagenet``, from the hub;
            ``NAME=hub:owner/name``, another data set of the hub; or ``NAME=PATH``, a parquet file, a folder of parquet
            files, or a folder with one folder of images for each class. `NAME` is arbitrary; the names above bring
            their prompts and their rules for cleaning class names. An empty list has no sets.
        templates: text file with one prompt per line and {} for the class; replaces the prompts of all sets except toy.
        limit: largest number of images per set, drawn in the proportions of the classes.
        seed: seed of this drawing.

    Returns:
        The sets in the order of the list; ``toy`` gives one set for each of its tasks.

    Raises:
        DataError: unknown name, unusable data or templates, or a hub that cannot be reached.
    """
    prompts = None if templates is None else _templates(templates)
    tasks: list[LabelledImages] = []
    for spec in (spec.strip() for spec in specs.split(",") if specs):
        name, equals, where = (part.strip() for part in spec.partition("="))
        entry = KNOWN.get(name)
        if spec == "toy":
            tasks += _toy_tasks(limit, seed)
        elif entry and not equals:
            table = from_hub(name, entry.repo, split=entry.split, label=entry.label, terms=entry.gated)
            tasks.append(_labelled(name, table, prompts, limit, seed))
        elif name and where.removeprefix("hub:"):
            split, label = (entry.split, entry.label) if entry else (None, None)
            load = from_hub if where.startswith("hub:") else from_disk
            table = load(name, where.removeprefix("hub:"), split=split, label=label)
            tasks.append(_labelled(name, table, prompts, limit, seed))
        else:
            raise DataError(
                f"unknown classification set {quoted(spec)}; known: toy, {', '.join(KNOWN)}, "
                "NAME=PATH, NAME=hub:owner/name"
            )
    names = [task.name for task in tasks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            f"repeated names of classification sets: {', '.join(twice)}; give each another name, as in mine=PATH"
        )
    return tasks


def _toy_tasks(limit: int | None, seed: int) -> list[LabelledImages]:
    """Return the tasks shape, colour, arrangement and place on shared scenes, so that features are computed once."""
    from interp.data.toy.pairs import prompts
    from interp.data.toy.pictures import ScenePicture
    from interp.data.toy.scenes import sample_scenes

    rng = np.random.default_rng([20240610, 1])
    scenes = sample_scenes("test", _TOY_IMAGES, rng)
    every = [ScenePicture(scene, int(rng.integers(2**31))) for scene in scenes]
    rows, notes = _draw("toy", [0] * len(every), limit, seed)
    pictures = [every[row] for row in rows]
    tasks = []
    for name in TOY_TASKS:
        classes = prompts(name)
        labels = tuple(list(classes).index(getattr(picture.scene, name)) for picture in pictures)
        tasks.append(
            LabelledImages(
                name,
                tuple(classes.values()),
                tuple(classes),
                labels,
                lambda i: pictures[i].open(),
                lambda i: pictures[i].key,
                notes,
            )
        )
    return tasks


def _labelled(name: str, table: Table, templates: Sequence[str] | None, limit: int | None, seed: int) -> LabelledImages:
    entry = KNOWN.get(name)
    title = entry.title if entry else name
    if all(re.fullmatch(r"n\d{8}", label) for label in table.classes):
        raise DataError(
            f"the classes of {title} are WordNet ids such as {table.classes[0]}, which do not work in a prompt; "
            f"put {CLASSES} next to them, with one name per line in the same order"
        )
    classes = tuple(_clean(name, label) for label in table.classes)
    rows, notes = _draw(title, table.labels, limit, seed)
    if twice := sorted(label for label, count in Counter(classes).items() if count > 1):
        notes += (f"{title}: repeated class names: {', '.join(twice)}; prompts cannot tell these classes apart",)
    if templates is None:
        templates = [entry.template if entry else _TEMPLATE]
    texts = tuple(tuple(template.replace("{}", label) for template in templates) for label in classes)

    def named(i: int) -> tuple[str, Callable[[str], bytes]]:
        """Return an image's name for messages, and a function that reads its bytes."""
        return table.place(rows[i]), lambda _: table.read(rows[i])

    return LabelledImages(
        title,
        texts,
        classes,
        tuple(table.labels[row] for row in rows),
        lambda i: open_rgb(*named(i)),
        lambda i: checksum(*named(i)),
        notes,
    )


def _clean(name: str, label: str) -> str:
    """Return the name of a class as a prompt needs it; ImageNet lists synonyms, and the first synonym is used."""
    return (label.split(",", maxsplit=1)[0] if name == "imagenet" else label).replace("_", " ").strip()


def _draw(title: str, labels: Sequence[int], limit: int | None, seed: int) -> tuple[list[int], tuple[str, ...]]:
    """Return at most `limit` rows in their original order, about the same share of every class, and notes."""
    if limit is None or limit >= len(labels):
        return list(range(len(labels))), ()
    sizes = Counter(labels)
    taken: Counter[int] = Counter()
    shares = []  # share of its class that is taken up to each row, in random order
    order = np.random.default_rng(seed).permutation(len(labels))
    for row in order:
        shares.append((taken[labels[row]] + 0.5) / sizes[labels[row]])
        taken[labels[row]] += 1
    rows = sorted(order[np.argsort(shares, kind="stable")][:limit].tolist())
    return rows, (f"{limit} of the {len(labels)} images of {title} are used",)


def _templates(path: Path) -> list[str]:
    lines = [line for line in read_lines(path) if not line.startswith("#")]
    if not lines:
        raise DataError(f"'{path}' has no templates; write one template per line, such as: {_TEMPLATE}")
    for line in lines:
        if line.count("{}") != 1:
            raise DataError(f"'{path}': a template needs exactly one {{}} for the class; wrong template: {shown(line)}")
    return lines

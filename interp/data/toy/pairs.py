"""Synthetic world of pictures with true descriptions and captions, whose texts have the statistics of Concadia.

`interp.data.toy.scenes` has the contents of pictures, `interp.data.toy.words` the words for them,
`interp.data.toy.texts` the texts about them, and `interp.data.toy.pictures` their drawing. Pairs come in articles. The
pairs of an article share an event and a town, and hence the names. Either kind of text singles out one scene of many,
and captions do so more often: of 3,000 test scenes, a caption fits 1.7 on average, and a description 7.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from interp.data.pairs import Pair, PairSet, same_text
from interp.data.toy import words
from interp.data.toy.pictures import ScenePicture
from interp.data.toy.scenes import ARTICLE_FIELDS, VALUES, Scene, combinations, sample_scene
from interp.data.toy.texts import write_pair
from interp.data.toy.writing import Text

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_ARTICLE = 5  # pairs; largest number of pairs that an article gets each time it is drawn
_Content = TypeVar("_Content")
_WORDS = 4  # number of words of a class that are put into prompts


class _Drawing(Protocol):
    """Picture that is drawn when it is opened."""

    @property
    def key(self) -> str:
        """Key that changes with the pixels."""

    def open(self) -> Image:
        """Return the picture as RGB."""


@dataclass(frozen=True)
class ToySize:
    """Number of pairs per split."""

    train: int = 1024
    val: int = 192
    test: int = 256


def load_toy(size: ToySize | None = None, *, seed: int = 0) -> PairSet:
    """Return the toy world as a `PairSet`.

    Args:
        size: number of pairs in each split.
        seed: seed of scenes, texts and pixels.

    Returns:
        Pairs of train, val and test in this order; the group of a pair is its article.
    """
    size = size or ToySize()
    drawn: list[tuple[Pair, ScenePicture]] = []
    for number, field in enumerate(fields(size)):
        rng = np.random.default_rng([seed, number])
        count, articles = getattr(size, field.name), combinations(field.name, ARTICLE_FIELDS)
        scenes: list[tuple[Scene, str]] = []
        while len(scenes) < count:
            event, flag = articles[int(rng.integers(len(articles)))]
            article = f"{field.name}-{words.FLAGS[flag][0]}-{event}"
            for _ in range(int(rng.integers(1, LONGEST_ARTICLE + 1))):
                scenes.append((sample_scene(field.name, rng, event=event, flag=flag), article))
        for index, (scene, article) in enumerate(scenes[:count]):
            drawn.append(_pair(f"{field.name}-{index:05d}", scene, field.name, article, rng))
    return pair_set("toy", drawn)


def load_distinct(sets: int = 16, size: int = 64, *, split: str = "test", seed: int = 0) -> PairSet:
    """Return sets of pairs for retrieval; within its set, a text fits only one image.

    Args:
        sets: number of sets; a pair's group is the number of its set.
        size: number of pairs in each set.
        seed: seed of scenes, texts and pixels.

    Raises:
        ValueError: the split has too few combinations for `size` distinct scenes.
    """
    rng = np.random.default_rng([seed, 64])  # separate from the scenes of `load_toy`
    drawn = []
    for number in range(sets):
        for index, (scene, texts) in enumerate(
            distinct(lambda: sample_scene(split, rng), lambda scene: write_pair(scene, rng), size)
        ):
            description, caption = texts
            name = f"{split}-{number:02d}-{index:02d}"
            pair = Pair(name, description.text, caption.text, split, str(number))
            drawn.append((pair, ScenePicture(scene, int(rng.integers(2**31)))))
    return pair_set("toy-distinct", drawn)


def distinct(
    sample: Callable[[], _Content], write: Callable[[_Content], tuple[Text, Text]], n: int
) -> list[tuple[_Content, tuple[Text, Text]]]:
    """Draw `n` contents of pictures, each with a description and a caption that fit no other content.

    Args:
        sample: function that draws a content.
        write: function that writes a description and a caption of a content.
        n: number of contents.

    Raises:
        ValueError: no further content was found, since there are too few combinations.
    """
    kept: list[tuple[_Content, tuple[Text, Text]]] = []
    for _ in range(20 * n):
        if len(kept) == n:
            break
        content = sample()
        texts = write(content)
        if not any(
            any(text.fits(content, other) for text in texts) or any(text.fits(other, content) for text in others)
            for other, others in kept
        ):
            kept.append((content, texts))
    if len(kept) < n:
        raise ValueError(f"there are too few combinations for {n} distinct contents")
    return kept


def prompts(name: str) -> dict[str, tuple[str, ...]]:
    """Return value of an attribute -> texts that name the value; a class of zero-shot classification is their mean.

    Other statements in these texts, such as another attribute or the number two, do not depend on the value.

    Raises:
        ValueError: there are no prompts for the attribute.
    """
    texts_of_value = {}
    for value, phrases in VALUES[name].items():
        if name == "shape":
            texts = [text for word in phrases[:_WORDS] for text in _things("red", word)[:1] + _things("", word)]
        elif name == "colour":
            texts = [text for word in phrases[:_WORDS] for shape in words.SHAPES for text in _things(word, shape)]
        elif name == "arrangement":
            pair = 1 if value in ("row", "stack") else 0
            looks = list(zip(words.COLOURS, words.SHAPES, strict=True))
            texts = [f"{_things(*look)[pair]} {phrase}" for phrase in phrases for look in looks]
        elif name in ("place", "event"):
            texts = [f"{start} {word}" for word in phrases[:_WORDS] for start in ("the", "picture of the")]
        else:
            raise ValueError(f"there are no prompts for '{name}'")
        texts_of_value[value] = tuple(texts)
    return texts_of_value


def _things(colour: str, shape: str) -> list[str]:
    """Return two phrases: one thing of this look, and two of them."""
    look = f"{colour} {shape}".strip()
    return [f"{words.article(look)} {look}", f"two {colour} {words.plural(shape)}".replace("  ", " ")]


def _pair(name: str, scene: Scene, split: str, group: str, rng: np.random.Generator) -> tuple[Pair, ScenePicture]:
    """Write one text of each kind for a scene, and draw its picture; identical texts are written again."""
    description, caption = write_pair(scene, rng)
    (again,) = rng.spawn(1)  # so that the following scenes do not depend on the repetition
    while same_text(description.text, caption.text):
        description, caption = write_pair(scene, again)
    context = f"The {scene.event} in {words.FLAGS[scene.flag][0]}"
    return Pair(name, description.text, caption.text, split, group, context), ScenePicture(
        scene, int(rng.integers(2**31))
    )


def pair_set(name: str, drawn: Iterable[tuple[Pair, _Drawing]]) -> PairSet:
    """Return pairs, each with its drawing, as a `PairSet`."""
    listed = list(drawn)
    pictures = {pair.id: picture for pair, picture in listed}
    pairs = tuple(pair for pair, _ in listed)
    return PairSet(name, pairs, lambda pair: pictures[pair.id].open(), lambda pair: pictures[pair.id].key)

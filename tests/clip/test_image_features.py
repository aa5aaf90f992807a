from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load, load_file, save_file

from interp.clip.image_features import cache_folder, embed_cached, image_features
from interp.clip.model import Clip, Tokens, tokenize
from interp.data import load_pairs
from interp.data.images import ON_WHITE
from interp.data.pairs import SPLITS


@pytest.mark.slow
def test_what_is_kept_is_used_only_as_it_was_written(small: Clip):
    pairs = load_pairs("toy", limit=12)
    first = image_features(small, pairs)
    (path,) = cache_folder().iterdir()
    whole = path.read_bytes()
    again = image_features(small, pairs)
    assert torch.equal(again.embeddings, first.embeddings)
    assert again.notes == ()

    def changed() -> None:
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
        save_file({"embeddings": load_file(path)["embeddings"] + 1}, path, metadata=about)

    def foreign() -> None:
        image_features(small, load_pairs("toy", limit=24))
        (other,) = set(cache_folder().iterdir()) - {path}
        path.write_bytes(other.read_bytes())
        other.unlink()

    def pipe() -> None:
        path.unlink()
        os.mkfifo(path)

    def unsealed() -> None:
        save_file({"embeddings": load_file(path)["embeddings"]}, path)

    for spoil in (
        changed,
        foreign,
        unsealed,
        pipe,
        lambda: path.write_bytes(whole[:-8]),
        lambda: path.write_bytes(b""),
    ):
        spoil()
        features = image_features(small, pairs)
        assert torch.equal(features.embeddings, first.embeddings)
        (note,) = features.notes
        assert note == f"image features in the cache ({path.name}) were damaged or changed; they are computed again"
        assert torch.equal(load_file(path)["embeddings"], load(whole)["embeddings"])
        assert Path(path).is_file()


def same_tokens(tokens: Tokens, other: Tokens) -> bool:
    tensors = all(torch.equal(getattr(tokens, name), getattr(other, name)) for name in ("ids", "eot", "word_of"))
    return tensors and tokens.words == other.words


def test_tokens_of_some_pairs_are_those_of_their_texts(small: Clip):
    features = image_features(small, load_pairs("toy", limit=20))
    assert features.tokens is None
    tokenized = features.tokenized(small)
    for rows in (*(features.rows(name) for name in SPLITS), [4, 1, 17], []):
        part = tokenized.take(rows)
        assert part.tokens is not None
        assert part.tokens_for(small) is part.tokens
        assert same_tokens(part.tokens, tokenize(small, features.take(rows).texts))
    assert not same_tokens(tokenized.take([4, 1]).tokens_for(small), tokenized.take([1, 4]).tokens_for(small))
    assert tokenized.to("cpu").tokens is tokenized.tokens


def test_another_process_gets_pairs_and_embeddings_without_tokens(small: Clip):
    features = image_features(small, load_pairs("toy", limit=6)).tokenized(small)
    sent = pickle.loads(pickle.dumps(features))
    assert (sent.pairs, sent.tokens) == (features.pairs, None)
    assert torch.equal(sent.embeddings, features.embeddings)
    assert sent.data.fingerprint == features.data.fingerprint
    assert same_tokens(sent.tokens_for(small), features.tokens_for(small))


def test_what_was_done_to_images_is_noted_also_when_features_are_read_again(small: Clip, tmp_path: Path):
    for number in range(4):
        Image.new("RGBA", (30, 20), (90, 9, 9, 255 if number else 0)).save(tmp_path / f"{number}.png")
    rows = "".join(f"{number}.png,a{number},b\n" for number in range(4))
    (tmp_path / "pairs.csv").write_text(f"image,description,caption\n{rows}")
    pairs = load_pairs(f"csv:{tmp_path}/pairs.csv", as_published=True)
    notes = (f"1 of 4 images: {ON_WHITE}",)
    assert image_features(small, pairs).notes == image_features(small, pairs).notes == notes
    _, new_notes = embed_cached(small, ["0", "1"], lambda i: pairs.open_image(pairs.pairs[i]))
    assert new_notes == (f"1 of 2 images: {ON_WHITE}",)
    assert embed_cached(small, ["0", "1"], lambda i: pytest.fail("embedded twice"))[1] == new_notes

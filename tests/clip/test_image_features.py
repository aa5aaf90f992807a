from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, save_file

from interp.clip.image_features import cache_folder, image_features
from interp.clip.model import Clip
from interp.data import load_pairs


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
        found = image_features(small, pairs)
        assert torch.equal(found.embeddings, first.embeddings)
        (note,) = found.notes
        assert note == f"image features in the cache ({path.name}) were damaged or changed; they are computed again"
        assert torch.equal(load_file(path)["embeddings"], load(whole)["embeddings"])
        assert Path(path).is_file()

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from interp.clip.errors import ModelError
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip, clipscore, embed_images, length_batches, scores, tokenize
from interp.data import load_pairs
from interp.data.pairs import DataError, PairSet
from interp.drawing.markup import plural
from tests.wording import raises

# Words of OpenAI's tokenizer, with Python's classes of characters.
CLIP_WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+")


def test_eot_is_found_in_every_text(small: Clip):
    tokens = tokenize(small, ["a star", "", "the harbour", "<|endoftext|> a moon"])
    assert tokens.eot.tolist()[:3] == [3, 1, 3]
    assert tokens.eot[3] > 5
    assert tokens.wordless == 1
    for row, end in zip(tokens.ids, tokens.eot, strict=True):
        assert row[end] == small.eot
        assert (row[:end] != small.eot).all()


@pytest.mark.parametrize("special", ["<|endoftext|>", "<|startoftext|>"])
def test_special_tokens_in_a_text_are_text(toy: Clip, special: str):
    """Compare the ids with the ids of the text in capitals, which is not a special token."""
    tokens, plain = tokenize(toy, [f"a {special} star"]), tokenize(toy, [f"a {special.upper()} star"])
    assert tokens.ids.tolist() == plain.ids.tolist()
    assert tokens.words == plain.words
    assert "".join(tokens.words[0]) == f"a{special}star"
    assert not {toy.tokenizer.bos_token_id, toy.eot} & set(tokens.ids[0, 1:-1].tolist())
    assert toy.tokenizer(special)["input_ids"][1] in {toy.tokenizer.bos_token_id, toy.eot}  # the tokenizer is unchanged


def test_ordinary_texts_have_the_ids_that_transformers_gives_them(toy: Clip):
    texts = load_pairs("toy").texts
    tokens = tokenize(toy, texts)
    for row, eot, expected in zip(
        tokens.ids.tolist(), tokens.eot.tolist(), toy.tokenizer(texts).input_ids, strict=True
    ):
        assert row[: eot + 1] == expected


@given(st.text(st.characters(), max_size=30))
def test_any_text_is_tokenized_or_refused_in_a_line(toy: Clip, text: str):
    if re.search("[\0\ud800-\udfff]", text):
        with raises(ModelError, 1, snapshot=False) as caught:
            tokenize(toy, ["a star", text])
        assert re.search(r"NUL|U\+D[89A-F]..", str(caught.value))
        return
    tokens = tokenize(toy, ["a star", text])
    assert tokens.ids[1, tokens.eot[1]] == toy.eot
    assert (tokens.ids[1, : tokens.eot[1]] != toy.eot).all()
    assert 1 <= tokens.eot[1] < toy.context
    assert all(tokens.words[1])


def test_a_text_without_eot_is_an_error(small: Clip):
    class Careless:
        def __call__(self, *args, **kwargs):
            out = small.tokenizer(*args, **kwargs)
            out["input_ids"][1] = out["input_ids"][1][:-1]
            return out

    broken = replace(small, tokenizer=Careless())
    with raises(ModelError, 1, "'the harbour'"):
        tokenize(broken, ["a star", "the harbour"])


def test_long_texts_are_cut_with_eot_kept_and_counted(small: Clip):
    tokens = tokenize(small, ["star " * 100, "star " * 38, "star"])
    assert tokens.truncated == 1
    assert tokens.ids.shape == (3, 40)
    assert tokens.eot.tolist() == [39, 39, 2]
    assert len(tokens.words[0]) == 38


def test_words_come_apart_and_together_again(toy: Clip):
    """Check that each piece belongs to one word, and that the words give the text."""
    tokens = tokenize(toy, ["A Quokka's  HARBOUR, 19 in Zürich 蛙"])
    assert tokens.words[0] == ("a", "quokka", "'s", "harbour", ",", "1", "9", "in", "zürich", "蛙")
    assert tokens.eot.item() > len(tokens.words[0]) + 1
    assert toy.tokenizer.decode(tokens.ids[0], skip_special_tokens=True) == " ".join(tokens.words[0])


def test_real_texts_have_no_unknown_tokens(toy: Clip, published: Path):
    """Compare the words of twenty pairs of Concadia, with accents and digits, with the rule of CLIP's tokenizer."""
    chosen = load_pairs(f"concadia:{published / 'concadia-sample'}", as_published=True).pairs[:20]
    texts = [text for pair in chosen for text in (pair.positive, pair.negative)]
    tokens = tokenize(toy, texts)
    assert tokens.truncated < len(texts) / 5  # unfamiliar English has many pieces in this vocabulary
    ends = {toy.tokenizer.bos_token_id, toy.tokenizer.eos_token_id}
    for text, words, row, eot in zip(texts, tokens.words, tokens.ids.tolist(), tokens.eot.tolist(), strict=True):
        assert not set(row[1:eot]) & ends  # CLIPTokenizer turns unknown tokens into EOT
        expected = CLIP_WORDS.findall(unicodedata.normalize("NFC", text).lower())
        if eot < toy.context - 1:
            assert list(words) == expected
        else:  # cut, possibly within a word
            assert list(words[:-1]) == expected[: len(words) - 1]
            assert expected[len(words) - 1].startswith(words[-1])
        assert "".join(toy.tokenizer.decode(row[1:eot]).split()) == "".join("".join(words).split())


def test_no_texts(small: Clip):
    assert len(tokenize(small, [])) == 0


def test_batches_hold_every_row_once_by_length():
    eot = torch.tensor([5, 1, 9, 1, 7])
    batches = length_batches(eot, 2)
    assert [batch.tolist() for batch in batches] == [[1, 3], [0, 4], [2]]


def test_scores_and_clipscores():
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    images = torch.tensor([[0.6, 0.8], [0.6, -0.8]])
    cosines = scores(images, texts)
    torch.testing.assert_close(cosines, torch.tensor([0.6, -0.8]))
    np.testing.assert_allclose(clipscore(cosines.numpy()), [1.5, 0.0])


def test_the_frozen_model_is_frozen(toy: Clip):
    assert not toy.model.training
    assert not any(weight.requires_grad for weight in toy.model.parameters())
    assert (toy.depth("text"), toy.width("text"), toy.context) == (12, 128, 77)


def test_fingerprints_tell_models_apart(small: Clip, toy: Clip, tmp_path: Path):
    folder = Path(small.name)
    assert load_clip(small.name).fingerprint == small.fingerprint != toy.fingerprint
    other = shutil.copytree(folder, tmp_path / "other")
    settings = json.loads((other / "preprocessor_config.json").read_text())
    (other / "preprocessor_config.json").write_text(json.dumps(settings | {"image_mean": [0.4] * 3}))
    assert load_clip(str(other)).fingerprint != small.fingerprint


def spoil_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def drop_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def another_model(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: (f / "config.json").write_text("{"), "config.json"),
        (another_model, "bert"),
        (spoil_weights, ()),
        (drop_a_weight, (1, "text_projection.weight")),
        (only_pickle, ()),
        (lambda f: (f / "tokenizer.json").unlink(), ()),
        (lambda f: (f / "tokenizer.json").write_text("{"), ()),
    ],
)
def test_models_that_cannot_be_loaded(small: Clip, tmp_path: Path, spoil, value: object):
    folder = shutil.copytree(small.name, tmp_path / "model")
    spoil(folder)
    with raises(ModelError, value, str(folder)):
        load_clip(str(folder))


def test_names_that_are_no_models():
    with raises(ModelError, "'toy'"):
        load_clip("nowhere")
    for name in ("a/b/c", "./nothing", "/nothing"):
        with raises(ModelError, f"'{name}'"):
            load_clip(name)


def test_another_tokenizer_must_be_asked_for(small: Clip, tmp_path: Path):
    folder = shutil.copytree(small.name, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    eot = config["text_config"]["eos_token_id"]
    config["text_config"]["eos_token_id"] = 7
    (folder / "config.json").write_text(json.dumps(config))
    with raises(ModelError, 7, eot):
        load_clip(str(folder))
    clip = load_clip(str(folder), tokenizer=small.name)
    assert "the model now reads texts there" in clip.notes[0]
    assert isinstance(clip.model, CLIPModel)
    assert clip.model.text_model.eos_token_id == eot


def test_missing_preprocessing_is_clips_own_and_said(small: Clip, tmp_path: Path):
    folder = shutil.copytree(small.name, tmp_path / "model")
    (folder / "preprocessor_config.json").unlink()
    clip = load_clip(str(folder))
    assert "CLIP's own preprocessing at 64 pixels" in clip.notes[0]
    assert clip.processor.crop_size["height"] == 64


def test_preprocessing_that_does_not_fit_the_vision_tower(small: Clip, tmp_path: Path):
    folder = Path(shutil.copytree(small.name, tmp_path / "model"))
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    other = {"crop_size": {"height": 96, "width": 96}, "size": {"shortest_edge": 96}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | other))
    with raises(ModelError, 96, 64, "crop_size"):
        load_clip(str(folder))


def test_image_features_are_computed_once(small: Clip, monkeypatch: pytest.MonkeyPatch):
    pairs = load_pairs("toy", limit=12)
    first = image_features(small, pairs)
    expected = embed_images(small, [pairs.open_image(pair) for pair in pairs.pairs])
    assert torch.equal(first.embeddings, expected)
    monkeypatch.setattr("interp.clip.image_features.embed_images", lambda *_args: pytest.fail("computed again"))
    assert torch.equal(image_features(small, pairs).embeddings, expected)


def test_bad_images_are_named_counted_and_skipped_only_if_asked(small: Clip):
    pairs = load_pairs("toy", limit=12)

    def some_bad(pair):
        if pair.id.endswith(("1", "3")):
            raise DataError(f"cannot read the image '{pair.id}': it is gone")
        return pairs.open_image(pair)

    spoiled = PairSet("spoiled", pairs.pairs, some_bad, pairs.image_key)
    bad = [pair for pair in pairs.pairs if pair.id.endswith(("1", "3"))]
    assert bad
    with raises(DataError, len(bad), len(pairs), bad[0].id, "skip_bad_images"):
        image_features(small, spoiled)
    kept = image_features(small, spoiled, skip_bad=True)
    assert len(kept.pairs) == len(kept.embeddings) == len(pairs) - len(bad)
    (note,) = kept.notes
    assert note.startswith(f"{plural(len(bad), 'image')} left out: ")
    assert all(pair.id in note for pair in bad)
    rest = [pair for pair in pairs.pairs if pair not in bad]
    torch.testing.assert_close(kept.embeddings, embed_images(small, [pairs.open_image(pair) for pair in rest]))
    repaired = image_features(small, PairSet("repaired", pairs.pairs, pairs.open_image, pairs.image_key))
    assert len(repaired.pairs) == len(pairs)

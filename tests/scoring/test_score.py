"""Tests of `clip-descriptions score`, from a table to its results."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.edits.edit import Edit
from interp.clip.image_features import embed_cached
from interp.clip.model import Clip, embed_images, score
from interp.clip.sites import Site
from interp.edits.construction import set_z
from interp.scoring import scores as scoring
from interp.scoring.__main__ import main
from interp.subspaces.rotation import Rotation, random_basis
from tests.scoring.tables import DECORATIVE, MISSING, ROWS, UNREADABLE
from tests.wording import refused

UNSCORED = {*MISSING, *UNREADABLE, *DECORATIVE}


def read(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "scores.csv", keep_default_na=False, na_values={"score": "", "rank": "", "tokens": ""})


def plain_score(clip: Clip, picture: Image.Image, text: str) -> float:
    """Return the cosine from forward passes of transformers."""
    pixels = clip.processor([picture], return_tensors="pt")["pixel_values"]
    ids = clip.tokenizer([text], return_tensors="pt", truncation=True, max_length=clip.context)["input_ids"]
    with torch.no_grad():
        out = clip.model(input_ids=ids, pixel_values=pixels)
    return float(torch.cosine_similarity(out.image_embeds, out.text_embeds))


def test_scores_are_those_of_transformers(scored: Path, folder: Path, small: Clip):
    frame = read(scored).set_index("row")
    assert list(frame.index) == list(range(2, 2 + len(ROWS)))
    assert set(frame.index[frame["score"].isna()]) == UNSCORED
    ring = Image.open(next(folder.glob("M*.png")))
    white = Image.new("RGBA", ring.size, "white")
    white.alpha_composite(ring)
    pictures = {
        2: Image.open(folder / "rot.jpg"),
        3: white.convert("RGB"),
        4: Image.open(folder / "unter/ordner/blau.jpg"),
    }
    pictures |= {9: Image.open(folder / "druck.jpg").convert("RGB"), 13: pictures[2], 14: pictures[2]}
    for row, picture in pictures.items():
        assert frame.loc[row, "score"] == pytest.approx(plain_score(small, picture, ROWS[row - 2][1]), abs=2e-6)


def test_rows_carry_what_has_to_be_known_of_them(scored: Path):
    frame = read(scored).set_index("row")
    assert sorted(frame["rank"].dropna()) == list(range(1, len(ROWS) - len(UNSCORED) + 1))
    assert frame["score"].dropna().sort_values().index.tolist() == frame["rank"].dropna().sort_values().index.tolist()
    assert frame.loc[9, "cut"]
    assert frame["cut"].sum() == 1
    assert frame.loc[9, "tokens"] > 300
    assert frame.loc[2, "duplicates"] == "same text as row 12; same image as rows 13 and 14"
    assert "white" in frame.loc[3, "notes"]
    assert "does not exist" in frame.loc[5, "notes"]
    assert (scored / "scores.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # Excel needs it


def test_words_are_those_of_the_attributor_and_only_as_many_as_asked_for(
    scored: Path, folder: Path, small: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    page = (scored / "scores.html").read_text(encoding="utf-8")
    frame = read(scored).set_index("row")
    image = embed_images(small, folder / "rot.jpg")
    attributions = MediatedIntegratedGradients(small).attribute(ROWS[0][1], image, n_steps=20)
    words = [f"{value:+.3f}".replace("-", "\u2212") for value in attributions.by_word("full")[0]]
    article = page[page.index('id="row-2"') :].partition("</article>")[0]
    assert [part.partition("</rt>")[0] for part in article.split('<rt dir="ltr">')[1:]] == words
    assert page.count("<article") == frame["score"].notna().sum()
    few = tmp_path / "few"
    assert main([str(folder / "alt texte.xlsx"), "--model", small.name, "--out", str(few), "--words", "2"]) == 1
    few_page = (few / "scores.html").read_text(encoding="utf-8")
    shaded = [article for article in few_page.split("<article")[1:] if "<ruby" in article]
    assert len(shaded) == 2
    assert all(f'data-rank="{rank}"' in article for rank, article in enumerate(shaded, start=1))
    capsys.readouterr()


@pytest.mark.parametrize("suffix", ["csv", "ods"])
def test_formats_give_the_same_scores(scored: Path, folder: Path, small: Clip, tmp_path: Path, suffix: str, capsys):
    out = tmp_path / "out"
    assert main([str(folder / f"alt texte.{suffix}"), "--model", small.name, "--out", str(out), "--words", "0"]) == 1
    shown = capsys.readouterr().out
    for row in MISSING + UNREADABLE:
        assert f"row {row}: " in shown
    assert "no measure of quality" in " ".join(shown.split())
    frame, whole = read(out).set_index("row"), read(scored).set_index("row")
    pd.testing.assert_frame_equal(frame[["image", "text", "score"]], whole.loc[frame.index, ["image", "text", "score"]])


def test_two_models_stand_next_to_each_other(folder: Path, small: Clip, tmp_path: Path, capsys):
    """Compare `base`, the base of the next model, with that model; the difference is the last score minus the first."""
    rotation = Rotation(random_basis(small.width("text"), 4, torch.Generator().manual_seed(0)), Site("text", 5))
    edit = set_z(rotation, torch.full((small.width("text"),), 3.0))
    edit.made_for(small).save(tmp_path / "edited")
    arguments = ["--model", "base", "--model", str(tmp_path / "edited"), "--out", str(tmp_path / "out")]
    assert main([str(folder / "alt texte.csv"), *arguments]) == 1
    frame = pd.read_csv(tmp_path / "out" / "scores.csv")
    base, edited = (frame[f"score {name}"] for name in (small.name, tmp_path / "edited"))
    np.testing.assert_allclose(frame["difference"], edited - base)
    assert (frame["difference"].abs() > 1e-3).any()
    assert frame["rank"].dropna().tolist() == edited.dropna().rank().tolist()
    again = Edit.load(tmp_path / "edited").apply(small)
    assert edited[0] == pytest.approx(float(score(again, folder / "rot.jpg", ROWS[0][1])), abs=2e-6)
    page = (tmp_path / "out" / "scores.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "difference" in page
    capsys.readouterr()


def test_a_second_run_embeds_and_attributes_nothing_again(
    folder: Path, small: Clip, tmp_path: Path, monkeypatch, capsys
):
    arguments = [str(folder / "alt texte.xlsx"), "--model", small.name, "--out", str(tmp_path / "out"), "--words", "4"]
    assert main(arguments) == 1
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    with monkeypatch.context() as patcher:
        patcher.setattr("interp.clip.image_features.embed_images", never)
        patcher.setattr(scoring.MediatedIntegratedGradients, "attribute", never)
        assert main(arguments) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == whole
    (tmp_path / "out" / "words.json").write_text("damaged")
    assert main(arguments) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == whole
    capsys.readouterr()


def test_a_table_without_problems_ends_well_and_an_empty_alt_is_none(tmp_path: Path, small: Clip, capsys):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    (tmp_path / "alts.csv").write_text("image,alt\na.png,a red field\na.png,\n")
    assert main([str(tmp_path / "alts.csv"), "--model", small.name]) == 0
    assert (tmp_path / "alts-scores" / "scores.html").is_file()
    assert "row 3: no text" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ([], "--model openai/clip-vit-base-patch32"),
        (["--model", "nowhere/at/all"], "'nowhere/at/all'"),
        (["--model", "base"], "base"),
        (["--model", "MODEL", "--model", "base"], "--model base --model RUN"),
        (["--model", "MODEL", "--image", "x"], "'x'"),
        (["--model", "MODEL", "--words", "-1"], ("--words", 0, -1)),
        (["--model", "MODEL", "--out", "."], "'.'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    folder: Path, small: Clip, tmp_path: Path, monkeypatch, capsys, arguments, value
):
    shutil.copy(folder / "alt texte.csv", tmp_path / "alts.csv")
    shutil.copy(folder / "rot.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    status = main(["alts.csv", *(small.name if word == "MODEL" else word for word in arguments)])
    refused(status, capsys, value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_wrong_file_is_named_before_torch_is_imported(tmp_path: Path):
    code = (
        "import sys; from interp.cli.commands import main; status = main(sys.argv[1:]);"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules; sys.exit(status)"
    )
    (tmp_path / "alts.csv").write_text("image,alt\nnone.png,text\n")
    for file in ("none.csv", "alts.csv"):
        command = [sys.executable, "-c", code, "score", file, "--model", "toy"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr


def test_chunks_of_images_are_embedded_once_and_a_stopped_run_goes_on(tmp_path: Path, small: Clip, monkeypatch, capsys):
    draw = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(draw.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    rows = "".join(f"{number}.png,text {number}\n" for number in range(40))
    (tmp_path / "alts.csv").write_text(f"image,alt\n{rows}")
    counts: list[int] = []

    def stopped(clip, keys, *rest):
        counts.append(len(keys))
        if len(counts) == 2:
            raise KeyboardInterrupt
        return embed_cached(clip, keys, *rest)

    arguments = [str(tmp_path / "alts.csv"), "--model", small.name, "--words", "0"]
    with monkeypatch.context() as patcher:
        patcher.setattr(scoring, "embed_cached", stopped)
        assert main(arguments) == 130
    assert counts == [32, 8]
    assert "run it again" in capsys.readouterr().err
    assert not (tmp_path / "alts-scores").exists()
    embedded = []
    whole = embed_images

    def counted(clip, images, **options):
        several = list(images)
        embedded.append(len(several))
        return whole(clip, several, **options)

    monkeypatch.setattr("interp.clip.image_features.embed_images", counted)
    assert main(arguments) == 0
    assert embedded == [8]


def test_a_thumbnail_is_small_and_of_the_right_picture(scored: Path):
    import base64

    page = (scored / "scores.html").read_text(encoding="utf-8")
    article = next(part for part in page.split("<article")[1:] if 'data-row="4"' in part)
    encoded = article.partition("base64,")[2].partition('"')[0]
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert max(picture.size) <= 160
    np.testing.assert_allclose(np.asarray(picture)[10, 10], [0, 0, 255], atol=5)


def test_results_replace_only_results_of_the_same_table(tmp_path: Path, small: Clip, capsys):
    """Refuse to replace the table, another file with the name of a result, and the results of another table."""
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    (tmp_path / "scores.csv").write_text("image,alt,mine\na.png,a red field,1\n")
    whole = (tmp_path / "scores.csv").read_text()
    model = ["--model", small.name]
    refused(main([str(tmp_path / "scores.csv"), *model, "--out", str(tmp_path)]), capsys, f"'{tmp_path}'")
    assert (tmp_path / "scores.csv").read_text() == whole
    assert main([str(tmp_path / "scores.csv"), *model, "--out", str(tmp_path / "out")]) == 0
    shutil.copy(tmp_path / "scores.csv", tmp_path / "other.csv")
    refused(main([str(tmp_path / "other.csv"), *model, "--out", str(tmp_path / "out")]), capsys, "'scores.csv'")
    (tmp_path / "out" / "scores.csv").unlink()
    assert main([str(tmp_path / "scores.csv"), *model, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "scores.csv").is_file()
    capsys.readouterr()


def test_a_table_whose_images_are_all_damaged_is_one_line(tmp_path: Path, small: Clip, capsys):
    (tmp_path / "a.png").write_bytes(b"junk")
    (tmp_path / "alts.csv").write_text("image,alt\na.png,a red field\n")
    refused(main([str(tmp_path / "alts.csv"), "--model", small.name]), capsys, 2, "'a.png'")
    assert not (tmp_path / "alts-scores").exists()

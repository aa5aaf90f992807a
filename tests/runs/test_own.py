"""Run folders of one's own, and those of strangers."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.clip.errors import ModelError
from interp.clip.trust import check_trust
from interp.runs.folder import open_run
from interp.runs.own import is_own, marks
from interp.runs.versions import VERSIONS
from tests.wording import raises

SETTINGS = {"kind": "evaluation", "version": VERSIONS["evaluation"]}


def run_of(folder: Path, **arguments: object) -> Path:
    with open_run(folder, SETTINGS, arguments=arguments):
        pass
    return folder


def key() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "clip-descriptions" / "key"


@given(st.text(), st.text())
def test_a_text_is_marked_and_no_other(text: str, other: str):
    found = marks([text, None, 3])
    assert found is not None
    assert len(found["values"]) == 1
    again = marks([text])
    assert again is not None
    assert again["values"] != found["values"]  # salted: two runs do not tell that they are of one user


def test_what_one_named_oneself_is_trusted_and_nothing_else(tmp_path: Path):
    run = run_of(tmp_path / "run", model="owner/name", data="concadia:data", tokenizer=None, limit=3)
    assert is_own(run, "owner/name")
    assert is_own(run / "manifest.json", "concadia:data")
    assert not is_own(run, "owner/other")
    assert not is_own(run, "3")
    check_trust(str(run), "base", "owner/name", trust=False)
    with raises(ModelError, f"'{run}'", "'owner/other'", "--trust-run"):
        check_trust(str(run), "base", "owner/other", trust=False)


def test_a_folder_is_known_by_its_place_not_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for place in ("here", "there"):
        (tmp_path / place / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    run = run_of(tmp_path / "run", model="data", data="csv:data")
    for name in ("data", "csv:data", "../here/data", f"csv:{tmp_path}/here/data"):
        assert is_own(run, name)
    monkeypatch.chdir(tmp_path / "there")
    assert not is_own(run, "data")
    assert not is_own(run, "csv:data")
    assert is_own(run, "../here/data")
    run.rename(tmp_path / "moved")
    assert is_own(tmp_path / "moved", "../here/data")


@pytest.mark.usefixtures("stranger")
def test_the_run_of_a_stranger(tmp_path: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
        run = run_of(tmp_path / "run", model="owner/name")
        assert is_own(run, "owner/name")
    assert not is_own(run, "owner/name")
    manifest = run / "manifest.json"
    content = json.loads(manifest.read_text())
    own = marks(["owner/name"])
    assert own is not None
    assert not is_own(run, "/" * 5000)
    for value in (None, own | {"salt": "0"}, own | {"values": ["0" * 64, "é"]}, {"salt": 3}, [], "x"):
        manifest.write_text(json.dumps(content | {"own": value}))
        assert not is_own(run, "owner/name")
    manifest.write_text(json.dumps(content | {"own": own}))
    assert is_own(run, "owner/name")  # only the key makes marks
    manifest.unlink()
    assert not is_own(run, "owner/name")


@pytest.mark.usefixtures("stranger")
def test_a_key_that_others_can_read_or_that_cannot_be_kept_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = run_of(tmp_path / "run", model="owner/name")
    assert stat.S_IMODE(key().stat().st_mode) == 0o600
    key().chmod(0o640)
    assert not is_own(run, "owner/name")
    assert marks(["owner/name"]) is None
    key().chmod(0o600)
    assert is_own(run, "owner/name")
    key().write_bytes(b"short")
    assert not is_own(run, "owner/name")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert json.loads((run_of(tmp_path / "other", model="owner/name") / "manifest.json").read_text())["own"] is None
    assert not is_own(tmp_path / "other", "owner/name")


@pytest.mark.usefixtures("stranger")
def test_processes_that_make_the_key_at_once_agree_on_it():
    code = "from interp.runs.own import _key; print(_key().hex())"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert [path.name for path in key().parent.iterdir()] == ["key"]

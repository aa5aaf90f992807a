"""Tests of run folders of this user and of other people."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp import cli
from interp.clip.errors import ModelError
from interp.clip.trust import check_trust
from interp.runs.folder import open_run
from interp.runs.ownership import is_own, marks
from interp.runs.replay import Replay
from interp.runs.versions import VERSIONS
from tests.wording import raises
from training.config import FinetuneConfig, preset

SETTINGS = {"kind": "evaluation", "version": VERSIONS["evaluation"]}


def run_of(folder: Path, **arguments: object) -> Path:
    with open_run(folder, SETTINGS, arguments=arguments):
        pass
    return folder


def key() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "clip-descriptions" / "key"


@given(st.text(), st.text())
def test_a_text_is_marked_and_no_other(text: str, other: str):
    with tempfile.TemporaryDirectory() as folder:
        run = run_of(Path(folder) / "run", model=text)
        assert is_own(run, "model", text)
        assert is_own(run, "model", other) is (other == text)
        assert not is_own(run, "data", text)


def test_marks_are_salted():
    both = [marks(SETTINGS, {"model": "owner/name", "tokenizer": None, "limit": 3}) for _ in range(2)]
    assert all(mark is not None and list(mark["values"]) == ["model"] for mark in both)
    assert both[0] != both[1]


def test_what_one_named_oneself_is_trusted_and_nothing_else(tmp_path: Path):
    run = run_of(tmp_path / "run", model="owner/name", data="concadia:data", tokenizer=None, limit=3)
    assert is_own(run, "model", "owner/name")
    assert is_own(run / "manifest.json", "data", "concadia:data")
    assert not is_own(run, "model", "owner/other")
    assert not is_own(run, "limit", "3")
    check_trust(str(run), "base", "owner/name", trust=False)
    with raises(ModelError, f"'{run}'", "'owner/other'", "--trust-run"):
        check_trust(str(run), "base", "owner/other", trust=False)


def test_a_folder_is_known_by_its_place_not_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for place in ("here", "there"):
        (tmp_path / place / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    forms = ("{}", "csv:{}", "open_clip:ViT-B-32/{}", "imageability,mine={}", "mine={},other=" + str(tmp_path))
    given = {f"option{i}": form.format("data") for i, form in enumerate(forms)}
    run = run_of(tmp_path / "run", **given)
    for (option, name), form in zip(given.items(), forms, strict=True):
        assert all(
            is_own(run, option, text)
            for text in (name, form.format("../here/data"), form.format(tmp_path / "here/data"))
        )
    monkeypatch.chdir(tmp_path / "there")
    for (option, name), form in zip(given.items(), forms, strict=True):
        assert not is_own(run, option, name)
        assert is_own(run, option, form.format("../here/data"))
    run.rename(tmp_path / "moved")
    assert is_own(tmp_path / "moved", "option0", "../here/data")


def test_marks_of_one_run_do_not_hold_in_another(tmp_path: Path):
    run = run_of(tmp_path / "run", model="owner/name")
    content = json.loads((run / "manifest.json").read_text())
    for settings, expected in ((SETTINGS, True), ({**SETTINGS, "base": "another"}, False)):
        (run / "manifest.json").write_text(json.dumps({**content, "settings": settings}))
        assert is_own(run, "model", "owner/name") is expected


def test_config_takes_what_one_named_oneself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = FinetuneConfig(model="owner/name", data="csv:pairs.csv")
    settings = {"kind": "finetune", "version": VERSIONS["finetune"]}
    with open_run(tmp_path / "run", settings, arguments=asdict(config)):
        pass
    words = ["--config", str(tmp_path / "run"), "--out", "new"]
    earlier = Replay("finetune", preset)
    options = cli.parse(FinetuneConfig, "", "", "", words, preset, earlier)
    assert (options.model, options.data) == ("owner/name", "csv:pairs.csv")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    with pytest.raises(SystemExit):
        cli.parse(FinetuneConfig, "", "", "", words, preset, earlier)


@pytest.mark.usefixtures("stranger")
def test_the_run_of_a_stranger(tmp_path: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
        run = run_of(tmp_path / "run", model="owner/name")
        assert is_own(run, "model", "owner/name")
    assert not is_own(run, "model", "owner/name")
    manifest = run / "manifest.json"
    content = json.loads(manifest.read_text())
    valid = marks(SETTINGS, {"model": "owner/name"})
    assert valid is not None
    assert not is_own(run, "model", "/" * 5000)
    for value in (
        None,
        valid | {"salt": "0"},
        valid | {"values": {"model": "0" * 64}},
        valid | {"values": {"model": "é"}},
        {"salt": 3},
        [],
        "x",
    ):
        manifest.write_text(json.dumps(content | {"own": value}))
        assert not is_own(run, "model", "owner/name")
    manifest.write_text(json.dumps(content | {"own": valid}))
    assert is_own(run, "model", "owner/name")  # only the key can make marks
    manifest.unlink()
    assert not is_own(run, "model", "owner/name")


@pytest.mark.usefixtures("stranger")
def test_a_key_that_others_can_read_or_that_cannot_be_kept_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = run_of(tmp_path / "run", model="owner/name")
    assert stat.S_IMODE(key().stat().st_mode) == 0o600
    key().chmod(0o640)
    assert not is_own(run, "model", "owner/name")
    assert marks(SETTINGS, {"model": "owner/name"}) is None
    key().chmod(0o600)
    assert is_own(run, "model", "owner/name")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: -1)  # the key is another user's
        assert not is_own(run, "model", "owner/name")
    key().write_bytes(b"short")
    assert not is_own(run, "model", "owner/name")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert json.loads((run_of(tmp_path / "other", model="owner/name") / "manifest.json").read_text())["own"] is None
    assert not is_own(tmp_path / "other", "model", "owner/name")


@pytest.mark.usefixtures("stranger")
def test_a_disk_without_hard_links(monkeypatch: pytest.MonkeyPatch):
    def link(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    assert marks(SETTINGS, {}) is not None
    assert stat.S_IMODE(key().stat().st_mode) == 0o600
    assert [path.name for path in key().parent.iterdir()] == ["key"]


def test_a_relative_state_folder_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Ignore a state folder that would change with the working directory and could come from an archive."""
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert marks(SETTINGS, {}) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.usefixtures("stranger")
def test_processes_that_make_the_key_at_once_agree_on_it():
    code = "from interp.runs.ownership import _key; print(_key().hex())"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert [path.name for path in key().parent.iterdir()] == ["key"]

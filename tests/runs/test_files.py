from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from interp.runs import files
from interp.runs.files import StoreError, read_bytes, write_atomic
from tests.wording import raises


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_atomic(tmp_path / "f", "old")

    def broken(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with raises(StoreError, f"'{tmp_path / 'f'}'", "No space left on device"):
        write_atomic(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("kind", ["device", "folder"])
def test_no_device_and_no_folder_is_replaced(tmp_path: Path, kind: str):
    """Refuse to replace a device: with write access to /dev, that would replace /dev/null. A link is a safe test."""
    path = tmp_path / "there"
    path.mkdir() if kind == "folder" else path.symlink_to("/dev/null")
    with raises(StoreError, f"'{path}'", kind):
        write_atomic(path, "new")
    assert path.is_dir() if kind == "folder" else path.is_symlink()
    assert [entry.name for entry in tmp_path.iterdir()] == ["there"]


def test_the_entry_of_a_renamed_file_is_flushed_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flushed = []
    sync = os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: (flushed.append(os.fstat(handle).st_mode), sync(handle)))
    write_atomic(tmp_path / "f", "new")
    assert [stat.S_ISDIR(mode) for mode in flushed] == [False, True]


def test_a_folder_that_has_vanished_is_one_line(tmp_path: Path):
    gone = tmp_path / "gone"
    gone.symlink_to(tmp_path / "unmounted")
    with raises(StoreError, str(gone)):
        write_atomic(gone / "cells" / "a.json", "x")


def test_only_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "f").write_bytes(b"some")
    assert read_bytes(tmp_path / "f") == b"some"
    assert read_bytes(tmp_path / "g") is None
    os.mkfifo(tmp_path / "pipe")
    with raises(StoreError, f"'{tmp_path / 'pipe'}'"):
        read_bytes(tmp_path / "pipe")
    with raises(StoreError, f"'{tmp_path}'"):
        read_bytes(tmp_path)
    with raises(StoreError, str(tmp_path), snapshot=False):  # a message of Python
        read_bytes(tmp_path / "a\0b")
    monkeypatch.setattr(files, "MOST_BYTES", 3)
    with raises(StoreError, f"'{tmp_path / 'f'}'"):
        read_bytes(tmp_path / "f")

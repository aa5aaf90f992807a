"""Edits in repositories of the Hugging Face hub."""

from __future__ import annotations

import tempfile
from pathlib import Path

from interp.clip.edits.edit import ABOUT, FILE, Edit
from interp.edits.card import edit_card, public
from interp.runs.files import write_atomic
from interp.runs.uploading import fetch, upload


def push(edit: Edit, repo: str, *, private: bool = False, license: str | None = None) -> str:
    """Put the files of an edit and a card into a repository of the hub, and return the address of the commit.

    No path of this machine is uploaded: a base that is a folder is left out, and so are folders in the facts.

    Args:
        repo: owner/name; the repository is created if it does not exist.
        private: make a new repository private.
        license: identifier of the edit's licence for its card, such as mit.

    Raises:
        HubError: the hub does not answer, or refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        public(edit).save(folder)
        write_atomic(Path(folder) / "README.md", edit_card(edit, repo, license))
        return upload(Path(folder), repo, private=private, message=f"{edit!r}, by clip-descriptions")


def load(name: str) -> Edit:
    """Load an edit that `push`, or `training.export --push`, has put into a repository of the hub.

    Args:
        name: owner/name, optionally with @revision. An edit in the cache is loaded without a network.

    Raises:
        HubError: the hub does not have the edit; or the hub does not answer, and the edit is not in the cache.
        EditError: the files hold no edit.
    """
    return Edit.load(fetch(name, (ABOUT, FILE)))

"""Subspaces in repositories of the Hugging Face hub."""

from __future__ import annotations

import tempfile
from pathlib import Path

from interp.runs.uploading import fetch, upload
from interp.subspaces.kinds import load_subspace
from interp.subspaces.subspace import Subspace

FILE = "rotation.safetensors"


def push(subspace: Subspace, repo: str, *, private: bool = False) -> str:
    """Put the files of a subspace into a repository of the hub, and return the address of the commit.

    Args:
        repo: owner/name; the repository is created if it does not exist.
        private: make a new repository private.

    Raises:
        HubError: the hub does not answer, or refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        subspace.save(Path(folder) / FILE)
        return upload(Path(folder), repo, private=private, message=f"{subspace!r}, by clip-descriptions")


def load(name: str) -> Subspace:
    """Load a subspace that `push`, or `training.export --push`, has put into a repository of the hub.

    Args:
        name: owner/name, optionally with @revision. A subspace in the cache is loaded without a network.

    Raises:
        HubError: the hub does not have the subspace; or the hub does not answer, and the subspace is not in the cache.
        RotationError: the files hold no subspace.
    """
    return load_subspace(fetch(name, (str(Path(FILE).with_suffix(".json")), FILE)))

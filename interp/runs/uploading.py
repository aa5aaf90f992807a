"""Upload of files to the Hugging Face hub on request, and download of files from the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interp.data.hub import HubError, HubSilent, ask_hub
from interp.errors import UserError, first_line, quoted


def upload(folder: Path, repo: str, *, private: bool, message: str) -> str:
    """Upload the files of a folder to a model repository, which is created if needed, and return the commit's address.

    Args:
        folder: folder with the files.
        repo: owner/name.
        private: make a new repository private; an existing repository does not change.
        message: commit message.

    Raises:
        HubError: the hub does not answer, or refuses the upload.
        UserError: `repo` has another form.
    """
    from huggingface_hub import HfApi

    if repo.count("/") != 1:
        raise UserError(f"{quoted(repo)} is not the name of a hub repository; write owner/name")
    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
    except Exception as error:  # errors of the HTTP library among others
        raise HubError(f"cannot push to {quoted(repo)}: {first_line(error)}; log in with hf auth login") from error
    return str(done.commit_url)


def fetch(name: str, files: Sequence[str]) -> Path:
    """Download files of a model repository, or take them from the hub's cache, and return the path of the last file.

    Args:
        name: owner/name, optionally with @revision.
        files: names of the files.

    Raises:
        HubError: the hub does not have the files; or the hub does not answer, and the files are not in the cache.
    """
    from huggingface_hub import hf_hub_download

    repo, _, revision = name.partition("@")
    silent: HubSilent | None = None
    try:
        ask_hub(repo, revision or "main")
    except HubSilent as error:
        silent = error
    except HubError as error:
        raise HubError(f"cannot fetch {quoted(name)}: {error}") from error
    try:
        paths = [
            hf_hub_download(repo, file, revision=revision or None, local_files_only=silent is not None)
            for file in files
        ]
    except Exception as error:
        why = f"{silent}, and the cache does not have it" if silent else first_line(error)
        raise HubError(f"cannot fetch {quoted(name)}: {why}") from error
    return Path(paths[-1])

"""Upload of files to the Hugging Face hub on request, and download of these files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interp.data.hub import HubError, HubSilent, ask_hub
from interp.errors import UserError, first_line, quoted


def upload(folder: Path, repo: str, *, private: bool, message: str) -> str:
    """Put the files of a folder into a repository of models, which is created if needed; return the commit's address.

    Args:
        repo: owner/name.
        private: make a new repository private; an existing repository stays as it is.
        message: commit message.

    Raises:
        HubError: the hub does not answer, or refuses.
    """
    from huggingface_hub import HfApi

    if repo.count("/") != 1:
        raise UserError(f"{quoted(repo)} is no repository of the hub; expected owner/name")
    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        done = api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
    except Exception as error:  # including errors of the HTTP library
        raise HubError(f"cannot push to {quoted(repo)}: {first_line(error)}; log in with hf auth login") from error
    return str(done.commit_url)


def fetch(name: str, files: Sequence[str]) -> Path:
    """Fetch files of a repository of models, or find them in the hub's cache; return the path of the last file.

    Args:
        name: owner/name, optionally with @revision.

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
        found = [
            hf_hub_download(repo, file, revision=revision or None, local_files_only=silent is not None)
            for file in files
        ]
    except Exception as error:
        why = f"{silent}, and it is not in the cache" if silent else first_line(error)
        raise HubError(f"cannot fetch {quoted(name)}: {why}") from error
    return Path(found[-1])

"""Models on the Hugging Face hub, or in its cache if the hub does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interp.clip.errors import ModelError
from interp.data.hub import HubError, HubSilent, ask_hub
from interp.errors import quoted

_MARKS = ("config.json", "edit.json")  # file of a model, file of an edit
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")


def on_hub(name: str, hub: str, revision: str) -> tuple[str, str]:
    """Return the place of a model and its revision: its id on the hub, or its folder in the cache if the hub is silent.

    Args:
        name: name of the model, for messages.

    Raises:
        ModelError: the hub does not have the model or the revision, or the hub does not answer and the model is not in
            the cache.
    """
    try:
        ask_hub(hub, revision)
    except HubSilent as error:
        return _in_cache(name, hub, revision, error), revision
    except HubError as error:
        raise ModelError(f"cannot load the model {quoted(name)}: {error}") from error
    return hub, revision


def fetch_files(name: str, where: str, revision: str, files: Sequence[str]) -> Path | None:
    """Return the folder that holds these files of a model, or None if the model does not have the first file.

    Args:
        name: name of the model, for messages.
        where: folder of the model, or its id on the hub, from which the files are fetched.

    Raises:
        ModelError: the hub does not answer any more, or refuses.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if Path(where).is_dir():
        return Path(where) if (Path(where) / files[0]).is_file() else None
    folder: Path | None = None
    try:
        for file in files:
            folder = Path(hf_hub_download(where, file, revision=revision)).parent
    except Exception as error:
        # without a network, the hub's client reports a file missing from the cache with a subclass of this error
        if not isinstance(error, EntryNotFoundError) or isinstance(error, LocalEntryNotFoundError):
            raise ModelError(
                f"cannot load the model {quoted(name)}: the hub does not report whether the model has {file}; try again"
            ) from error
    return folder


def is_cached(hub: str, revision: str) -> bool:
    """Return whether a model's configuration, or an edit, is in the cache."""
    from huggingface_hub.errors import HFValidationError

    try:
        return any(_cached(hub, revision, file) for file in _MARKS)
    except HFValidationError:
        return False


def _cached(hub: str, revision: str, file: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(hub, file, revision=revision)
    return path if isinstance(path, str) else None


def _in_cache(name: str, hub: str, revision: str, why: HubSilent) -> str:
    """Return the folder of a model in the hub's cache, or the folder of an edit, which needs no weights."""
    from huggingface_hub import try_to_load_from_cache

    config, edit = (_cached(hub, revision, file) for file in _MARKS)
    if config is None and edit is not None:
        return str(Path(edit).parent)
    if config is None:
        raise ModelError(
            f"cannot load the model {quoted(name)}: {why}, and the model is not in the cache; "
            "connect to the network, or name a folder"
        )
    if all(try_to_load_from_cache(hub, file, revision=revision) is None for file in _PREPROCESSING):
        raise ModelError(
            f"cannot load the model {quoted(name)}: {why}, and the cache holds only a part of the model; "
            "load it once online"
        )
    return str(Path(config).parent)

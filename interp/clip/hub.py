"""Models on the Hugging Face hub, which is asked once whether it answers: its client retries every file for long."""

from __future__ import annotations

from pathlib import Path

from interp.clip.model import ModelError

SECONDS = 10.0  # to wait for the hub's answer
PREPROCESSING = ("preprocessor_config.json", "processor_config.json")


def on_hub(name: str, hub: str, revision: str) -> tuple[str, str]:
    """Where a model is: its id on the hub, or its folder in the cache if the hub does not answer; and the revision.

    Args:
        name: of the model, for messages.

    Raises:
        ModelError: the hub has no such model or revision; it does not answer, and the model is not in the cache.
    """
    from huggingface_hub import model_info
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        model_info(hub, revision=revision, timeout=SECONDS)
    except HFValidationError as error:
        raise ModelError(f"cannot load the model '{name}': this is no hub id") from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"cannot load the model '{name}': the hub has no such model, or it is private; log in with hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"cannot load the model '{name}': the hub has no revision '{revision}' of it") from error
    except HfHubHTTPError:  # it answers; whoever loads the files says what is wrong
        return hub, revision
    except OfflineModeIsEnabled:
        return _in_cache(name, hub, revision, "HF_HUB_OFFLINE is set"), revision
    except Exception:  # of the HTTP library, which is another one in each version of the hub's client
        return _in_cache(name, hub, revision, "the hub does not answer"), revision
    return hub, revision


def _in_cache(name: str, hub: str, revision: str, why: str) -> str:
    """The folder of a model in the hub's cache."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        config = hf_hub_download(hub, "config.json", revision=revision, local_files_only=True)
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"cannot load the model '{name}': {why}, and the model is not in the cache; "
            "connect to the network, or name a folder"
        ) from error
    if all(try_to_load_from_cache(hub, file, revision=revision) is None for file in PREPROCESSING):
        raise ModelError(
            f"cannot load the model '{name}': {why}, and the cache does not hold all of the model; load it once online"
        )
    return str(Path(config).parent)

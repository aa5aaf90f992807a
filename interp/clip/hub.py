"""Models on the Hugging Face hub, and in its cache where the hub does not answer."""

from __future__ import annotations

from pathlib import Path

from interp.clip.errors import ModelError
from interp.data.hub import HubError, HubSilent, ask_hub
from interp.errors import quoted

_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")


def on_hub(name: str, hub: str, revision: str) -> tuple[str, str]:
    """Where a model is: its id on the hub, or its folder in the cache if the hub does not answer; and the revision.

    Args:
        name: of the model, for messages.

    Raises:
        ModelError: the hub has no such model or revision; it does not answer, and the model is not in the cache.
    """
    try:
        ask_hub(hub, revision)
    except HubSilent as error:
        return _in_cache(name, hub, revision, error), revision
    except HubError as error:
        raise ModelError(f"cannot load the model {quoted(name)}: {error}") from error
    return hub, revision


def is_cached(hub: str, revision: str) -> bool:
    """Whether a model's configuration is in the cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(hub, "config.json", revision=revision), str)
    except HFValidationError:
        return False


def _in_cache(name: str, hub: str, revision: str, why: HubSilent) -> str:
    """The folder of a model in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub, "config.json", revision=revision)
    if not isinstance(config, str):
        raise ModelError(
            f"cannot load the model {quoted(name)}: {why}, and the model is not in the cache; "
            "connect to the network, or name a folder"
        )
    if all(try_to_load_from_cache(hub, file, revision=revision) is None for file in _PREPROCESSING):
        raise ModelError(
            f"cannot load the model {quoted(name)}: {why}, and the cache does not hold all of the model; "
            "load it once online"
        )
    return str(Path(config).parent)

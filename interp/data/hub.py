"""Single query for a repository of the Hugging Face hub; the hub's own client would retry for a long time."""

from __future__ import annotations

import os
import queue
import threading
from typing import Literal

from interp.errors import UserError

Kind = Literal["model", "dataset"]
SECONDS = 2.0  # timeout of the hub's answer; HF_HUB_ETAG_TIMEOUT, which the hub's client also respects, replaces it


class HubError(UserError):
    """Error of a request that the hub cannot fulfil. The message is the end of a sentence that the caller begins."""


class HubSilent(HubError):
    """Error of a hub that does not answer or must not be asked; the hub's cache can still be used."""


def ask_hub(repo: str, revision: str = "main", kind: Kind = "model") -> None:
    """Return if the hub has a repository, and raise an error otherwise.

    Args:
        repo: id of the repository, ``owner/name``.

    Raises:
        HubSilent: no answer comes in time, the hub answers with an error, or HF_HUB_OFFLINE is set.
        HubError: the repository or the revision does not exist or is not accessible, or `repo` is not an id.
    """
    from huggingface_hub import repo_info

    answers: queue.Queue[Exception | None] = queue.Queue()
    given = os.environ.get("HF_HUB_ETAG_TIMEOUT", "")
    seconds = float(given) if given.isdigit() else SECONDS

    def ask() -> None:
        try:
            repo_info(repo, revision=revision, repo_type=kind, timeout=seconds)
            answers.put(None)
        except Exception as error:
            answers.put(error)

    # A thread, since no timeout of a request covers the look-up of the hub's address.
    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answers.get(timeout=seconds)
    except queue.Empty:
        raise HubSilent(f"the hub does not answer within {seconds:g} s (HF_HUB_ETAG_TIMEOUT sets this limit)") from None
    if error is not None:
        raise _hub_error(error, revision, kind) from error


def _hub_error(error: Exception, revision: str, kind: Kind) -> HubError:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    noun = {"model": "model", "dataset": "data set"}[kind]
    if isinstance(error, HFValidationError):
        return HubError("this is not a hub id")
    if isinstance(error, GatedRepoError):
        return HubError(
            f"this {noun} requires acceptance of its terms; accept them on its page, then run hf auth login"
        )
    if isinstance(error, RepositoryNotFoundError):
        return HubError(f"the hub has no {noun} of this name, or it is private; log in with hf auth login")
    if isinstance(error, RevisionNotFoundError):
        return HubError(f"the hub has no revision '{revision}' of this {noun}")
    if isinstance(error, OfflineModeIsEnabled):
        return HubSilent("HF_HUB_OFFLINE is set")
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return HubSilent(f"the hub answers with an error ({error.response.status_code})")
    return HubSilent("the hub does not answer")  # an error of the HTTP library, which depends on the client's version

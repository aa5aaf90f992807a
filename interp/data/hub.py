"""Query whether the Hugging Face hub answers and has a repository, once, since its client retries for a long time."""

from __future__ import annotations

import os
import queue
import threading
from typing import Literal

from interp.errors import UserError

Kind = Literal["model", "dataset"]
SECONDS = 2.0  # timeout of the hub's answer; HF_HUB_ETAG_TIMEOUT, which its client respects too, replaces it


class HubError(UserError):
    """Error of a request that the hub cannot fulfil. The message is the end of a sentence that the caller begins."""


class HubSilent(HubError):
    """Error of a hub that does not answer, or must not be asked; its cache can still be used."""


def ask_hub(repo: str, revision: str = "main", kind: Kind = "model") -> None:
    """Return if the hub has a repository, and raise an error otherwise.

    Args:
        repo: id of the repository, ``owner/name``.

    Raises:
        HubSilent: no answer comes in time, the answer is an error of the hub's, or HF_HUB_OFFLINE is set.
        HubError: there is no such repository or revision, it is not accessible, or `repo` is not an id.
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
        raise HubSilent(f"the hub does not answer within {seconds:g} s (HF_HUB_ETAG_TIMEOUT gives it more)") from None
    if error is not None:
        raise _said(error, revision, kind) from error


def _said(error: Exception, revision: str, kind: Kind) -> HubError:
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    what = {"model": "model", "dataset": "data set"}[kind]
    if isinstance(error, HFValidationError):
        return HubError("this is no hub id")
    if isinstance(error, GatedRepoError):
        return HubError(f"the hub gives this {what} to those who accept its terms; do so there, then hf auth login")
    if isinstance(error, RepositoryNotFoundError):
        return HubError(f"the hub has no such {what}, or it is private; log in with hf auth login")
    if isinstance(error, RevisionNotFoundError):
        return HubError(f"the hub has no revision '{revision}' of it")
    if isinstance(error, OfflineModeIsEnabled):
        return HubSilent("HF_HUB_OFFLINE is set")
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return HubSilent(f"the hub answers with an error ({error.response.status_code})")
    return HubSilent("the hub does not answer")  # an error of the HTTP library, which depends on the client's version

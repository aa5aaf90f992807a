"""Reading of small files of models and runs, possibly from strangers, as typed records, and a search for code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from typing_extensions import TypedDict

from interp.clip.errors import ModelError
from interp.errors import quoted
from interp.runs.content import Record, parse
from interp.runs.files import StoreError, check_tree, read_bytes
from interp.runs.weights import check_run_weights, is_run

CONFIGS = ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
# Keys that name the model's own code, or request arithmetic that is not checked here.
_REFUSED = (
    "auto_map",
    "auto_mapping",
    "custom_pipelines",
    "custom_modules",
    "trust_remote_code",
    "quantization_config",
)
_ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")


def read_json(path: Path, kind: Callable[..., Record]) -> Record:
    """Load a JSON file as a record; other fields of the file are ignored.

    Raises:
        ModelError: the file does not exist, or it holds something else.
    """
    try:
        data = read_bytes(path)
        if data is None:
            raise ModelError(f"the file '{path}' does not exist")
        return parse(data, kind, path, "repair the file, or download the model again")
    except StoreError as error:
        raise ModelError(str(error)) from error


def check_run(name: str) -> None:
    """Raise `ModelError` if a fine-tuned run has links out of its folder, or weights that the run did not write.

    Names of other models pass.
    """
    folder = Path(name)
    try:
        if name != "toy" and is_run(folder):
            check_tree(folder)
            check_run_weights(folder)
    except StoreError as error:
        raise ModelError(str(error)) from error


def loading_fault(error: BaseException) -> str:
    """Return the reason why a library cannot load a model, in one line, with the field of an invalid value."""
    if match := re.match(r"Validation error for field '(\w+)'", str(error)):  # of huggingface_hub's strict dataclasses
        return (
            f"its configuration has a value of the wrong type for {match[1]}; correct it, or download the model again"
        )
    if isinstance(error, (AttributeError, LookupError, TypeError)):  # a library read unexpected content
        return "its files do not have the content of a model; repair them, or download the model again"
    if isinstance(error, UnicodeError):
        return "one of its files is not UTF-8; download the model again"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    reason = " ".join(lines[: 2 if lines[0].endswith(":") else 1])  # torch gives the reason in the second line
    return re.sub(r"Class validation error for validator '\w+': (\w+Error: )?", "its configuration: ", reason)


def check_files(name: str, where: str, revision: str) -> None:
    """Raise `ModelError` if a model's files name code, pickled weights, or weights outside the folder.

    Args:
        name: name of the model, for messages.
        where: a folder, or the id of a repository of the hub.
    """
    try:
        _check_files(name, where, revision)
    except OSError:  # the hub does not answer: loading the model reports this
        if Path(where).is_dir():
            raise


def _check_files(name: str, where: str, revision: str) -> None:
    if _file(where, revision, "adapter_config.json") is not None:  # transformers would fetch the adapter's base
        raise ModelError(f"'{name}' holds an adapter; download the adapter, and use its folder as the model")
    for file in CONFIGS:
        if (path := _file(where, revision, file)) is not None:
            content: dict[str, Any] = read_json(path, dict[str, Any])
            if (key := next(_refused(content), None)) is not None:
                raise ModelError(
                    f"'{path}' sets {key}, which can run foreign code and is refused; remove it if you trust the "
                    "other files"
                )
    if (path := _file(where, revision, INDEX)) is not None:
        _check_shards(name, path)
    if (Path(where) / WEIGHTS).exists():
        _check_link(Path(where), WEIGHTS)


def _file(where: str, revision: str, name: str) -> Path | None:
    """Return the path of a model's file, fetched if the model is on the hub; None if the file does not exist."""
    if (folder := Path(where)).is_dir():
        return path if (path := folder / name).exists() else None
    from transformers.utils import cached_file

    fetched = cached_file(
        where,
        name,
        revision=revision,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
    )
    return None if fetched is None else Path(fetched)


def _refused(content: Any, place: str = "") -> Iterator[str]:
    """Yield the keys at which a configuration names code or foreign arithmetic."""
    items = content.items() if isinstance(content, Mapping) else enumerate(content if isinstance(content, list) else ())
    for key, value in items:
        kernels = key in _ATTENTION and re.search(r"[/:|]", str(value)) is not None  # from the hub
        if kernels or (key in _REFUSED and value not in (None, False, {}, [])):
            yield f"{place}{key}"
        yield from _refused(value, f"{place}{key}.")


def _check_shards(name: str, index: Path) -> None:
    for shard in sorted(set(read_json(index, _Index)["weight_map"].values())):
        if PurePosixPath(shard).name != shard or "\\" in shard or not shard.endswith(".safetensors"):
            raise ModelError(
                f"'{name}' has weights in {quoted(shard)}, but only .safetensors files in its folder are read"
            )
        _check_link(index.parent, shard)


def _check_link(folder: Path, name: str) -> None:
    """Raise `ModelError` if a weights file lies outside the folder. The hub's cache may link snapshots to its blobs."""
    root = folder.resolve()
    allowed = root, root.parent.parent / "blobs"
    if folder.is_dir() and not any((folder / name).resolve().is_relative_to(place) for place in allowed):
        raise ModelError(f"'{folder / name}' is a link that leads out of the folder; put the file itself there")


class _Index(TypedDict):
    """Index of sharded weights: name of each weight -> file that holds it."""

    weight_map: dict[str, str]

"""Executor for a Ray cluster.

The clean run is computed once and put into the object store of the cluster. Each node reads the parts that its layers
need. Numbers do not depend on the cluster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.clip.tensors import Tensor, bytes_of
from interp.runs.files import remove_unfinished
from interp.runs.place import Place
from interp.subspaces.clean_run import TextRun
from interp.sweep.executors.executor import Executor, More, in_workers, longest_first
from interp.sweep.executors.ray_cluster import cluster
from interp.sweep.executors.ray_tasks import Cluster, go_to
from interp.sweep.progress import OnCells
from interp.sweep.tasks import is_prepared, prepare
from interp.sweep.work import Work


@dataclass(frozen=True)
class _StoredObjects:
    """References to the data of all tasks in the object store.

    Attributes:
        work, words: references to the work of the sweep, and to the words of the clean run.
        tensors: name -> type, shape and reference of a tensor of the clean run.
        start: working directory of the command, to which paths are relative.
        cache: cache in the run folder.
    """

    work: Any
    words: Any
    tensors: Mapping[str, tuple[torch.dtype, torch.Size, Any]]
    start: Path
    cache: Path


@dataclass(frozen=True)
class _RayPool:
    """Workers on the nodes of a cluster."""

    cluster: Cluster
    shared: _StoredObjects

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items and call `look` at intervals; raise `UserError` as `Cluster.run_all` does."""
        self.cluster.run_all(partial(_on_node, self.shared, task), items, look)


class _OnRay(Executor):
    """Executor for a Ray cluster, with as many tasks at a time as fit on the cluster."""

    def compute(
        self,
        work: Work,
        clip: Clip,  # noqa: ARG002
        run: TextRun,
        places: Sequence[Place],
        more: More,
        on_cells: OnCells,
    ) -> None:
        """Do all tasks."""
        rows = longest_first(work, run.tokens)
        with _on_ray(work, run) as (nodes, room):
            del run
            in_workers(work, nodes, room, rows, places, more, on_cells)
        remove_unfinished(work.folder)  # left by lost workers


@contextmanager
def _on_ray(work: Work, run: TextRun) -> Iterator[tuple[_RayPool, int]]:
    """Join or start a cluster for the tasks of a sweep, and yield its workers and the number of tasks at a time.

    Raises:
        UserError: there is no cluster at the address.
    """
    config, start = work.config, Path.cwd()
    gpus = config.gpus_per_cell if config.gpus_per_cell is not None else float(config.device != "cpu")
    with cluster(config.address, gpus=gpus, most=config.jobs) as nodes:
        room = nodes.room
        work = replace(work, folder=start / work.folder)
        tensors = {
            name: (tensor.dtype, tensor.shape, nodes.share(_bytes(tensor))) for name, tensor in run.tensors().items()
        }
        shared = _StoredObjects(nodes.share(work), nodes.share(run.words), tensors, start, work.cache)
        del run  # it may be large, and is in the object store now
        yield _RayPool(nodes, shared), room


def _bytes(tensor: Tensor) -> np.ndarray:
    """Return the tensor as an array of bytes without a copy; numpy lacks types of torch."""
    return np.frombuffer(bytes_of(tensor), np.uint8)


def _tensor(array: np.ndarray, dtype: torch.dtype, shape: torch.Size) -> Tensor:
    """Return the tensor that `_bytes` converted."""
    if not array.size:
        return torch.empty(shape, dtype=dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # the tensor is only read
        return torch.from_numpy(array).view(dtype).reshape(shape)


def _on_node(shared: _StoredObjects, task: Callable[[Any], None], item: Any) -> None:
    """Prepare a node's process if needed, and do a task for an item."""
    if not is_prepared():
        import ray

        go_to(shared.start, shared.cache)
        words = ray.get(shared.words)
        prepare(ray.get(shared.work), partial(_run, shared, words))
    task(item)


def _run(shared: _StoredObjects, words: str, clip: Clip, layer: int | None) -> TextRun:
    """Return the clean run, without the values and blocks that a change at the layer cannot reach."""
    import ray

    names = [name for name in shared.tensors if _is_needed(name, layer)]
    arrays = ray.get([shared.tensors[name][2] for name in names])
    tensors = {name: _tensor(array, *shared.tensors[name][:2]) for name, array in zip(names, arrays, strict=True)}
    return TextRun.of_tensors(clip, tensors, words)


def _is_needed(name: str, layer: int | None) -> bool:
    """Return whether a tensor of the clean run is needed at a layer; for None, only the texts are needed."""
    kind, _, place = name.partition(".")
    if not place:
        return True
    if layer is None:
        return False
    return Site.parse(place).layer == layer if kind in ("streams", "rests") else int(place) >= layer


EXECUTOR = _OnRay()

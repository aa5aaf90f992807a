"""Executor for a Ray cluster.

The clean run is computed once and put into the cluster's object store. Each node reads from it the parts that its
layers need. No number depends on the cluster.
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
    """Places in the object store of the data that all tasks need.

    Attributes:
        work, words: references to the work of the sweep, and to the words of the clean run.
        tensors: name -> type, shape and reference of a tensor of the clean run.
        start: directory in which the command was given, to which paths are relative.
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
        """Do a task for all items, and call `look` at intervals; raise `UserError` as `Cluster.run_all` does."""
        self.cluster.run_all(partial(_on_node, self.shared, task), items, look)


class _OnRay(Executor):
    """Executor for a Ray cluster, which does as many tasks at the same time as the cluster has room for."""

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
        remove_unfinished(work.folder)  # files of workers that were lost


@contextmanager
def _on_ray(work: Work, run: TextRun) -> Iterator[tuple[_RayPool, int]]:
    """Join or start a cluster for the tasks of a sweep; yield its workers, and the number of tasks they do at a time.

    Raises:
        UserError: there is no such cluster.
    """
    of, start = work.config, Path.cwd()
    gpus = of.gpus_per_cell if of.gpus_per_cell is not None else float(of.device != "cpu")
    with cluster(of.address, gpus=gpus, most=of.jobs) as nodes:
        room = nodes.room
        work = replace(work, folder=start / work.folder)
        tensors = {
            name: (tensor.dtype, tensor.shape, nodes.share(_bytes(tensor))) for name, tensor in run.tensors().items()
        }
        shared = _StoredObjects(nodes.share(work), nodes.share(run.words), tensors, start, work.cache)
        del run  # it may be large, and lies in the store now
        yield _RayPool(nodes, shared), room


def _bytes(tensor: Tensor) -> np.ndarray:
    """Return the tensor as an array of bytes without a copy; numpy does not know all types that torch has."""
    return np.frombuffer(bytes_of(tensor), np.uint8)


def _tensor(array: np.ndarray, dtype: torch.dtype, shape: torch.Size) -> Tensor:
    """Return the tensor that `_bytes` was given."""
    if not array.size:
        return torch.empty(shape, dtype=dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # the tensor is only read
        return torch.from_numpy(array).view(dtype).reshape(shape)


def _on_node(shared: _StoredObjects, task: Callable[[Any], None], item: Any) -> None:
    if not is_prepared():
        import ray

        go_to(shared.start, shared.cache)
        words = ray.get(shared.words)
        prepare(ray.get(shared.work), partial(_run, shared, words))
    task(item)


def _run(shared: _StoredObjects, words: str, clip: Clip, layer: int | None) -> TextRun:
    """Return the clean run, without the values and blocks that no change at the layer reaches."""
    import ray

    wanted = [name for name in shared.tensors if _is_needed(name, layer)]
    arrays = ray.get([shared.tensors[name][2] for name in wanted])
    found = {name: _tensor(array, *shared.tensors[name][:2]) for name, array in zip(wanted, arrays, strict=True)}
    return TextRun.of_tensors(clip, found, words)


def _is_needed(name: str, layer: int | None) -> bool:
    kind, _, place = name.partition(".")
    if not place:
        return True
    if layer is None:
        return False
    return Site.parse(place).layer == layer if kind in ("streams", "rests") else int(place) >= layer


EXECUTOR = _OnRay()

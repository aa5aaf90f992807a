"""Curves for TensorBoard, in files whose names lack the name of the machine, unlike those of TensorBoard's writer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate.tracking import GeneralTracker, on_main_process


class Curves(GeneralTracker):
    """Tracker for accelerate that writes each scalar to disk as soon as it is logged.

    A run that continues from a checkpoint repeats some steps. The first logged step, and all later ones, therefore
    replace the values of earlier files in the folder.

    Args:
        folder: folder of the files.
    """

    name = "curves"
    requires_logging_directory = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.file: Path | None = None

    @property
    def tracker(self) -> Path | None:
        """File of the curves; None before anything was logged."""
        return self.file

    @on_main_process
    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        """Log the values of a step."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        number = step or 0
        scalars = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        events = [Event(step=number, summary=scalars)]
        if self.file is None:
            self.file = _new_file(self.folder)
            started = SessionLog(status=SessionLog.START)
            events = [Event(file_version="brain.Event:2"), Event(step=number, session_log=started), *events]
        _append(self.file, events)


def _new_file(folder: Path) -> Path:
    """Return a new file that sorts last in the order in which TensorBoard reads files."""
    folder.mkdir(parents=True, exist_ok=True)
    number = sum(1 for _ in folder.glob("events.out.tfevents.*"))
    return folder / f"events.out.tfevents.{int(time.time()):010d}.{number:04d}"


def _append(path: Path, events: Sequence[Any]) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    with path.open("ab") as file:
        for event in events:
            event.wall_time = time.time()
            RecordWriter(file).write(event.SerializeToString())

"""Signals that ask a command to end: they end it as Ctrl-C does, with what is finished kept. No torch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """A signal other than that of Ctrl-C asked the command to end.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def name(self) -> str:
        """As the system calls it."""
        return signal.Signals(self.number).name


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status of a command that was ended so: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[None]:
    """Signals that would end the process at once raise `Stopped` in here; whoever handles or ignores them, as nohup
    does, goes on to do so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _came
    _came = None
    mine = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def as_stopped(error: KeyboardInterrupt) -> KeyboardInterrupt:
    """What asked a command to end: a library that was waiting may have put a plain KeyboardInterrupt in its place."""
    return error if _came is None else Stopped(_came)


_put_off: list[int] | None = None  # signals that came while processes were started; None otherwise
_came: int | None = None  # the signal that asked this command to end


def _stop(number: int, _frame: FrameType | None) -> None:
    global _came
    _came = number
    if _put_off is None:
        raise Stopped(number)
    _put_off.append(number)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that are started in here are never told of Ctrl-C, which is their parent's to handle; this one is told
    when it leaves, of other signals too: a process that is left half started would end with a traceback. Signals are
    put off, not ignored: none is lost."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    global _put_off
    came: list[int] = []
    before, handler = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}), signal.getsignal(signal.SIGINT)
    if callable(handler):  # another thread, which blocks nothing, may be given the signal
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    _put_off = came
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _put_off = None
        if callable(handler):
            signal.signal(signal.SIGINT, handler)
        for number in came[:1]:
            if number != signal.SIGINT:
                raise Stopped(number)
            if callable(handler):
                handler(number, None)

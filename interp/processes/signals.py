"""Signals that ask a command to end. They are handled like Ctrl-C, so that finished work is kept. No torch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopRequest(KeyboardInterrupt):
    """Request to end the command by a signal other than that of Ctrl-C.

    Attributes:
        number: number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def name(self) -> str:
        """Name of the signal in the operating system."""
        return signal.Signals(self.number).name


def status_of(error: KeyboardInterrupt) -> int:
    """Return the exit status of a command that a signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (error.number if isinstance(error, StopRequest) else signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `StopRequest` in the body on signals that would end the process at once.

    A signal that is already handled or ignored, as under nohup, keeps its handling.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _came
    _came = None
    handled = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in handled:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


def as_stopped(error: KeyboardInterrupt) -> KeyboardInterrupt:
    """Return the error that asked a command to end.

    A library that was waiting may have replaced it by a plain KeyboardInterrupt.
    """
    return error if _came is None else StopRequest(_came)


_put_off: list[int] | None = None  # signals that came while processes were started; None otherwise
_came: int | None = None  # the signal that asked this command to end


def _stop(number: int, _frame: FrameType | None) -> None:
    global _came
    _came = number
    if _put_off is None:
        raise StopRequest(number)
    _put_off.append(number)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started in the body, since their parent handles it.

    In this process, Ctrl-C and other signals are postponed to the end of the body, since a half-started process would
    end with a traceback. Signals are postponed, not ignored.
    """
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
                raise StopRequest(number)
            if callable(handler):
                handler(number, None)

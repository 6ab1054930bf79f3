"""Interrupts: Ctrl-C waits until what is being written is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Let a Ctrl-C wait for the end of a block; a second one does not wait.

    Outside the main thread, where Ctrl-C never arrives, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting = False

    def defer(number: int, frame: FrameType | None) -> None:
        nonlocal waiting
        if waiting:
            raise KeyboardInterrupt
        waiting = True

    before = signal.signal(signal.SIGINT, defer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if waiting:
        raise KeyboardInterrupt

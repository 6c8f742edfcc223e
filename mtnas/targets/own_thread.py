"""Work in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")

POLL = 0.2
"""Seconds after which a thread that waits looks whether it was interrupted."""


def in_own_thread(work: Callable[[threading.Event], T]) -> T:
    """What ``work`` returns or raises, done in a new thread while this one waits.

    Threads take their memory from heaps of their own (glibc's arenas). In the heap of the main thread, after hundreds
    of networks were built there and freed again, a run of a small network takes up to a tenth longer than in a new one:
    what was measured late in a search would seem slower than what was measured early.

    Args:
        work: gets an event that is set when this thread no longer waits, e.g. after Ctrl-C; it should then end soon.
    """
    given_up = threading.Event()
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work(given_up))
        except BaseException as error:  # raised where the result is asked for
            found.set_exception(error)

    thread = threading.Thread(target=run, name="mtnas measuring", daemon=True)
    try:
        thread.start()
        while not wait([found], POLL).done:  # a wait without an end is deaf to Ctrl-C on some systems
            pass
        return found.result()
    finally:
        given_up.set()
        if thread.is_alive():
            wait([found])
            thread.join()

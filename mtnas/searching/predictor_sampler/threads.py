"""Linear algebra on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are added up in one order within, so that proposals do not depend on how many processors a machine has.

    The matrices of a search are so small that more threads would not help.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    # Looking for the libraries takes milliseconds; by the first plan they are all loaded.
    return ThreadpoolController()

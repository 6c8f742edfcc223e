"""What is told of work that failed elsewhere."""

from __future__ import annotations


def reason(failure: str) -> str:
    """The sentence of an error of mtnas; of others, the whole traceback on lines of its own.

    Args:
        failure: traceback, or another text, which is told as it is.
    """
    last = last_line(failure)
    kind, colon, sentence = last.partition(": ")
    if colon and kind.startswith("mtnas.errors."):
        return sentence
    return last if last == failure.strip() else f"\n{failure.rstrip()}"


def last_line(failure: str) -> str:
    """What a traceback comes down to."""
    return failure.rstrip().rpartition("\n")[2]

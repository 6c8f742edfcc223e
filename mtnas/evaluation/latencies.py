"""Latencies of candidates on a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

from mtnas.architecture import Candidate
from mtnas.space.shapes import Input
from mtnas.supernet import SuperNetwork
from mtnas.targets import Latency, MeasureSettings, Target, measure


def latencies(
    supernet: SuperNetwork,
    candidates: Sequence[Candidate],
    target: Target,
    example: Input,
    settings: MeasureSettings | None = None,
    together: int = 32,
) -> Iterator[tuple[Candidate, Latency]]:
    """Measure candidates, interleaved with each other and with the target's reference.

    Weights make no difference to latency, so it does not matter whether the supernetwork is trained.

    Args:
        example: a batch of inputs, for shapes.
        together: candidates that are loaded and interleaved at a time; of more, each group is set against what the
            reference took in the first, so that all can be compared.

    Raises:
        TargetError: if a policy has bits that the target does not run.
    """
    settings = settings or MeasureSettings()
    reference_ms: float | None = None
    with closing(target.reference()) as reference:
        for begin in range(0, len(candidates), together):
            with ExitStack() as stack:
                runnables = {
                    candidate: stack.enter_context(
                        closing(target.prepare(supernet.extract(candidate.architecture), candidate.policy, example))
                    )
                    for candidate in candidates[begin : begin + together]
                }
                if reference_ms is None:
                    alone = measure({"reference": reference}, None, settings, target.clock())
                    reference_ms = alone["reference"].ms
                yield from measure(runnables, reference, settings, target.clock(), reference_ms=reference_ms).items()

"""Latencies of candidates on a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from mtnas.architecture import Candidate
from mtnas.space.shapes import Input
from mtnas.supernet import SuperNetwork
from mtnas.targets import Latency, MeasureSettings, Target, measure


def reference_ms(target: Target, settings: MeasureSettings | None = None, *, longer: int = 10) -> float:
    """What the target's reference takes: latencies that are set against it can be compared between calls.

    Args:
        longer: so many times the rounds of the settings: what is found here is taken for an undisturbed machine from
            then on.
    """
    settings = settings or MeasureSettings()
    patient = replace(settings, rounds=longer * settings.rounds, most_rounds=None)
    with closing(target.reference()) as reference:
        found = measure({"reference": reference}, None, patient, target.clock())
    return found["reference"].ms


def latencies(
    supernet: SuperNetwork,
    candidates: Sequence[Candidate],
    target: Target,
    example: Input,
    settings: MeasureSettings | None = None,
    *,
    anchor: float,
    together: int = 32,
) -> Iterator[tuple[Candidate, Latency]]:
    """Measure candidates, interleaved with each other and with the target's reference.

    Weights make no difference to latency, so it does not matter whether the supernetwork is trained.

    Args:
        example: a batch of inputs, for shapes.
        anchor: what `reference_ms` once gave for this target: times are told as if the reference took that.
        together: candidates that are loaded and interleaved at a time.

    Raises:
        TargetError: if a policy has bits that the target does not run.
    """
    settings = settings or MeasureSettings()
    with closing(target.reference()) as reference:
        for begin in range(0, len(candidates), together):
            with ExitStack() as stack:
                runnables = {
                    candidate: stack.enter_context(
                        closing(target.prepare(supernet.extract(candidate.architecture), candidate.policy, example))
                    )
                    for candidate in candidates[begin : begin + together]
                }
                yield from measure(runnables, reference, settings, target.clock(), reference_ms=anchor).items()

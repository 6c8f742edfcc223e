"""What is searched, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mtnas.architecture import FLOAT, Bits
from mtnas.errors import SearchError
from mtnas.limits import as_limits, check_number
from mtnas.predicting import PlanSettings
from mtnas.searching.stopping import StopRule
from mtnas.targets import MeasureSettings, Target


@dataclass(frozen=True)
class SearchSettings:
    """All that can be chosen about a search.

    Args:
        evaluations: candidates to be measured in all, those of earlier calls on the same run included.
        objectives: names of the costs to minimise. Empty: every task's error, params and macs.
        budgets: hard upper limits by cost name. Candidates whose exact costs exceed one are not evaluated; only the
            corner networks always are, as baselines.
        precisions: bits of weights and activations that a node may have: ``(FLOAT, INT8, W4A8)`` searches a policy
            along with the architecture. Float must be among them.
        target: where ``latency_ms`` is measured, if an objective or a budget names it; None: onnxruntime on one
            thread, one sample at a time.
        measuring: how latency is measured during the search.
        confirming: how that of the front is measured again at the end, all members interleaved.
        reference: reference point of the hypervolume by cost name, for those that should differ from the default: a
            task's `reference_error`, or 1.1 times its worst error among the corner networks; the largest reachable
            params, macs and size, or 1.1 times that where all candidates have the same; 1.1 times the largest latency
            of a corner network; 1 for what would be 0. A run keeps it: to go on with another is refused.
        startup: candidates measured before the first prediction, corner networks included.
        batch: candidates that one plan serves; None: 5, or more with many rows or genes; 1 where it is thorough.
        planning: how predictors choose a batch.
        thorough: whether every candidate has a plan of its own, made with all rows so far, see
            `PredictorSampler.thorough`. It takes about a tenth of a second, and pays where evaluations take seconds.
        affinities: whether the search uses what the training learned about branching, if it did: a quarter of the
            networks that are drawn have trees from the branch points, and predictors of errors see what company costs.
        threads: CPU threads of torch; 0: torch's default, or the CPUs of a container or job if fewer.
        device: ``auto`` (CUDA if there is one, else CPU) or a torch device, for a supernetwork that is loaded from the
            run.
        cache_mib: memory for activations of sub-networks that later ones share; None: a quarter of what is free
            where a worker begins, divided by the number of workers. What is found does not depend on it, only how fast.
        most_failures: candidates in a row that may fail to be measured before the search ends with the reason. A
            failure is kept in the study with its traceback; it is never a number, and is not tried again.
        tries: proposals of the sampler that may be known or over a budget before one is repaired instead.
        stop_when: rules that may end the search before `evaluations` is reached, such as
            ``(Plateau(evaluations=50), TimeLimit(minutes=30))``; the first that holds ends it.
    """

    evaluations: int = 100
    objectives: Sequence[str] = ()
    budgets: Mapping[str, float] = field(default_factory=dict)
    precisions: Sequence[Bits] = (FLOAT,)
    target: Target | None = None
    measuring: MeasureSettings = field(default_factory=lambda: MeasureSettings(rounds=12))
    confirming: MeasureSettings = field(default_factory=MeasureSettings)
    reference: Mapping[str, float] = field(default_factory=dict)
    startup: int = 10
    batch: int | None = None
    planning: PlanSettings = field(default_factory=PlanSettings)
    thorough: bool = False
    affinities: bool = True
    threads: int = 0
    device: str = "auto"
    cache_mib: float | None = None
    most_failures: int = 5
    tries: int = 5
    stop_when: Sequence[StopRule] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", _names(self.objectives))
        object.__setattr__(self, "budgets", as_limits(SearchError, "budget", self.budgets))
        object.__setattr__(self, "reference", as_limits(SearchError, "reference", self.reference))
        object.__setattr__(self, "precisions", _precisions(self.precisions))
        if self.target is not None and not isinstance(self.target, Target):
            raise SearchError(f"target must be a mtnas.targets.Target such as OnnxRuntime(), but is {self.target!r}")
        for name, least in (
            ("evaluations", 1),
            ("startup", 2),
            ("most_failures", 1),
            ("tries", 1),
            ("threads", 0),
        ):
            check_number(SearchError, name, getattr(self, name), at_least=least, whole=True)
        if self.batch is not None:
            check_number(SearchError, "batch", self.batch, at_least=1, whole=True)
        if self.cache_mib is not None:
            check_number(SearchError, "cache_mib", self.cache_mib, at_least=0)
        object.__setattr__(self, "stop_when", _rules(self.stop_when))

    @property
    def searches_bits(self) -> bool:
        """Whether a node may have other bits than float."""
        return len(self.precisions) > 1


def _names(given: object) -> tuple[str, ...]:
    """The objectives as a tuple; SearchError for anything else, such as the name of one alone."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise SearchError(f"objectives must be names of costs, such as ('error/mean', 'params'), but are {given!r}")
    return tuple(given)


def _precisions(given: object) -> tuple[Bits, ...]:
    """The precisions as a tuple of pairs; SearchError for anything else."""
    pairs = []
    for bits in given if isinstance(given, (tuple, list)) else [given]:
        if not (isinstance(bits, (tuple, list)) and len(bits) == 2 and all(isinstance(one, int) for one in bits)):
            raise SearchError(
                f"precisions must be pairs of bits of weights and activations, such as (8, 8), but hold {bits!r}"
            )
        pairs.append((bits[0], bits[1]))
    if FLOAT not in pairs or len(set(pairs)) < len(pairs):
        raise SearchError(f"precisions must differ and hold {FLOAT} (float), which the baselines have, but are {pairs}")
    return tuple(pairs)


def _rules(given: object) -> tuple[StopRule, ...]:
    """The rules as a tuple; SearchError for anything else."""
    example = "give a tuple of rules, for example stop_when=(Plateau(),)"
    if not isinstance(given, (tuple, list)):
        raise SearchError(f"stop_when must be a tuple, but is {given!r}; {example}")
    for rule in given:
        if not isinstance(rule, StopRule):
            raise SearchError(f"stop_when must hold instances of StopRule, but holds {rule!r}; {example}")
    return tuple(given)

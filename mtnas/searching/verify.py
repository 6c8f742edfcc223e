"""Measured rows, measured again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtnas.architecture import FLOAT, SIZE, JointSpace
from mtnas.errors import SearchError
from mtnas.evaluation import CandidateErrors
from mtnas.progress import progress
from mtnas.quantizing import JointCosts, joint_costs
from mtnas.results import MEAN_ERROR, Results, Row, mean_error
from mtnas.runs import Run, read_results
from mtnas.space.data import Data
from mtnas.space.search_space import SearchSpace
from mtnas.space.threads import cpu_threads
from mtnas.supernet import SuperNetwork
from mtnas.training import load_supernetwork


@dataclass(frozen=True)
class Verified:
    """A row, and what its errors and exact costs are now, by name. Latencies are not compared: they never repeat."""

    row: Row
    again: Mapping[str, float]

    @property
    def differences(self) -> dict[str, float]:
        """How far every cost is off: errors absolutely, exact costs as a share of themselves."""
        return {
            name: abs(self.row.costs[name] - value) / (1.0 if name.startswith("error/") else abs(value) or 1.0)
            for name, value in self.again.items()
        }

    @property
    def difference(self) -> float:
        """The largest of them."""
        return max(self.differences.values())


def verify(
    space: SearchSpace,
    data: Data,
    run: Run,
    rows: Sequence[Row] | None = None,
    *,
    supernet: SuperNetwork | None = None,
    threads: int = 1,
    device: str = "auto",
    show_progress: bool = True,
) -> list[Verified]:
    """Measure rows of a run again, each for itself, and write nothing.

    Whoever measured them, in whatever order and beside whatever else: a row depends on its candidate, the supernetwork
    and the data only, so on the same machine and number of threads the figures are equal to the last digit.

    Args:
        rows: those to measure; None: all.
        supernet: the trained supernetwork, if it is at hand; None: it is loaded from the run.
        threads: CPU threads of torch; sums in another order may differ in the last digits.
        device: for a supernetwork that is loaded.

    Raises:
        SearchError: if the run has no rows.
        RunError: if the run belongs to another space or data.
    """
    results = read_results(run)
    rows = results.rows if rows is None else rows
    if not rows:
        raise SearchError(f"the run {run.path} has no measured rows yet; search first")
    with cpu_threads(threads):
        supernet = supernet or load_supernetwork(space, data, run, device)
        costs = _costs(space, data, supernet, results)
        errors = CandidateErrors(supernet, data)
        found = []
        with progress("verify", len(rows), show=show_progress) as advance:
            for row in rows:
                measured = errors(row.candidate)
                again = {f"error/{task}": error for task, error in measured.items()}
                again[MEAN_ERROR] = mean_error(measured)
                exact = costs.table.of(costs.space.product, costs.space.join(row.candidate))
                again.update({name: value for name, value in exact.items() if name in row.costs})
                found.append(Verified(row, again))
                advance(f"row {row.number} differs by {found[-1].difference:.3g}")
    return found


def _costs(space: SearchSpace, data: Data, supernet: SuperNetwork, results: Results) -> JointCosts:
    """Exact costs of all bits that rows have."""
    bits = dict.fromkeys(bits for row in results.rows for _, bits in row.candidate.policy.entries)
    if not bits and not any(SIZE in row.costs for row in results.rows):
        return JointCosts(JointSpace.in_float(space.architectures), supernet.found.costs)
    example, _ = data.example()
    return joint_costs(space, supernet.found, example, (FLOAT, *bits))

"""How well predictors that know the first rows of a search foresee the later ones."""

from __future__ import annotations

from dataclasses import dataclass

from mtnas.architecture import SIZE, JointSpace
from mtnas.branching import Branching
from mtnas.predicting import PlanSettings
from mtnas.predicting.genetics import Floats
from mtnas.predicting.predictors import Tuned
from mtnas.predicting.quality import NORMAL_90
from mtnas.predicting.rows import Rows
from mtnas.results import Results
from mtnas.searching.parameters import Parameters
from mtnas.searching.tree_genes import TreeGenes


@dataclass(frozen=True)
class Foreseen:
    """One predicted cost on the later rows.

    Attributes:
        cost: its name.
        model: that was chosen.
        known: number of rows that the predictor saw.
        rows: numbers of the later rows.
        measured: their costs.
        predicted: likewise.
        low: lower end of the 90 % interval.
        high: its upper end.
        tau: Kendall's tau-b.
        coverage: share of the rows inside their intervals.
    """

    cost: str
    model: str
    known: int
    rows: tuple[int, ...]
    measured: tuple[float, ...]
    predicted: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    tau: float
    coverage: float


def foreseen(
    results: Results,
    branching: Branching | None = None,
    settings: PlanSettings | None = None,
    *,
    learn: float = 0.6,
    least: int = 20,
) -> list[Foreseen]:
    """Fit the predictors of a search anew on its first rows, and predict the others.

    That is what a search asks of them, and harder than rows that are left out at random: later rows are better ones.

    Args:
        results: of a search.
        branching: what the training learned, which predictors may see.
        settings: whose models are used; None: `PlanSettings()`.
        learn: share of the rows to learn from.
        least: rows to learn from and to foresee; with fewer, nothing is found.
    """
    from scipy.stats import kendalltau

    cut = round(learn * len(results.rows))
    if cut < least or len(results.rows) - cut < least:
        return []
    settings = settings or PlanSettings()
    genetics, rows = _rows(results, branching)
    first, later = rows.take(slice(0, cut)), rows.take(slice(cut, len(rows)))
    tuned = Tuned.on(first, genetics, settings.models)
    found = []
    for cost, chosen in tuned.models.items():
        if not isinstance(cost, int):
            continue  # what is over a budget, which is told by the cost itself
        view = genetics.view(cost)
        fitted = chosen.fit(genetics.features(first.genes, view), first.costs[:, cost])
        seen = genetics.features(later.genes, view)
        mean, (low, high), measured = fitted.mean(seen), fitted.interval(seen, NORMAL_90), later.costs[:, cost]
        found.append(
            Foreseen(
                cost=genetics.objectives[cost],
                model=chosen.name,
                known=cut,
                rows=tuple(row.number for row in results.rows[cut:]),
                measured=_plain(measured),
                predicted=_plain(mean),
                low=_plain(low),
                high=_plain(high),
                tau=float(kendalltau(mean, measured).statistic),
                coverage=float(((low <= measured) & (measured <= high)).mean()),
            )
        )
    return found


def _rows(results: Results, branching: Branching | None) -> tuple[TreeGenes, Rows]:
    """The genes of a search's rows and their costs. Sizes, which are computed and not predicted, are left out."""
    joint = JointSpace.holding(results.space, [row.candidate for row in results.rows])
    parameters = Parameters(joint.product)
    names = [name for name, kind in parameters.distributions.items() if not kind.single()]
    columns = [column for column, name in enumerate(results.objectives) if name != SIZE]
    genetics = TreeGenes(
        joint.product,
        results.cost_table.picked([[option for option, _ in block] for block in joint.choices]),
        names,
        [results.objectives[column] for column in columns],
        {},
        parts=joint.parts,
        affinities=None if branching is None else branching.affinities,
    )
    genes = parameters.genes(names, [joint.join(row.candidate) for row in results.rows])
    return genetics, Rows(genes, results.points()[:, columns], {})


def _plain(column: Floats) -> tuple[float, ...]:
    return tuple(map(float, column))

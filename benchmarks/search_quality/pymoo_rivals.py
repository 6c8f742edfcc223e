"""NSGA-II and AGE-MOEA of pymoo, on choices and integers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.search_quality.problem import Outcome, Problem
from benchmarks.search_quality.rival import Rival, Search

POPULATION = 50


def through_pymoo(make: Callable[[Any], Any]) -> Search:
    """A search by ask and tell; duplicates within and between generations are replaced by pymoo."""

    def search(problem: Problem, evaluations: int, seed: int) -> list[Outcome]:
        inner = _problem(problem)
        algorithm = make(problem)
        algorithm.setup(inner, termination=_of("core.termination", "NoTermination")(), seed=seed)
        outcomes: list[Outcome] = []
        while len(outcomes) < evaluations:
            asked = algorithm.ask()
            found = [
                problem.evaluate(problem.genes.decode(x[name] for name in problem.genes.names)) for x in asked.get("X")
            ]
            told = {"F": np.array([outcome.costs for outcome in found])}
            if problem.constraints_of is not None:
                told["G"] = np.array([outcome.constraints for outcome in found])
            static = _of("problems.static", "StaticProblem")(inner, **told)
            _of("core.evaluator", "Evaluator")().eval(static, asked)
            algorithm.tell(infills=asked)
            outcomes += found
        return outcomes[:evaluations]

    return search


def nsga2(problem: Problem) -> Any:
    return _of("algorithms.moo.nsga2", "NSGA2")(pop_size=POPULATION, **_operators(problem))


def age_moea(problem: Problem) -> Any:
    return _of("algorithms.moo.age", "AGEMOEA")(pop_size=POPULATION, **_operators(problem))


def _problem(problem: Problem) -> Any:
    """Indices as variables: integers where the values are ordered, else choices."""
    genes = problem.genes
    choice, integer = _of("core.variable", "Choice"), _of("core.variable", "Integer")
    variables = {
        name: integer(bounds=(0, size - 1)) if ordered else choice(options=list(range(size)))
        for name, size, ordered in zip(genes.names, genes.sizes, genes.ordered, strict=True)
    }
    count = (
        0 if problem.constraints_of is None else problem.constraints_of(np.zeros((1, len(genes.sizes)), int)).shape[1]
    )
    return _of("core.problem", "Problem")(vars=variables, n_obj=problem.objectives, n_ieq_constr=count)


def _operators(problem: Problem) -> dict[str, Any]:
    """pymoo's operators for mixed variables, with the binary tournament of NSGA-II.

    One thing is not pymoo's default: it takes a problem of mixed variables apart by choices and then has half of
    them mutate, which is little better than random search; here it is one gene on average, as with its other operators.
    """
    choice, integer, real = (_of("core.variable", name) for name in ("Choice", "Integer", "Real"))
    polynomial, rounding = _of("operators.mutation.pm", "PM"), _of("operators.repair.rounding", "RoundingRepair")
    share = 1 / len(problem.genes.sizes)
    duplicates = _of("core.mixed", "MixedVariableDuplicateElimination")()
    tournament = _of("operators.selection.tournament", "TournamentSelection")
    mating = _of("core.mixed", "MixedVariableMating")(
        selection=tournament(func_comp=_of("algorithms.moo.nsga2", "binary_tournament")),
        mutation={
            choice: _of("operators.mutation.rm", "ChoiceRandomMutation")(prob_var=share),
            integer: polynomial(vtype=float, repair=rounding()),
            real: polynomial(),
        },
        eliminate_duplicates=duplicates,
    )
    sampling = _of("core.mixed", "MixedVariableSampling")()
    return {"sampling": sampling, "mating": mating, "eliminate_duplicates": duplicates}


def _of(module: str, name: str) -> Any:
    """A name of pymoo, which is needed for these two only."""
    return getattr(importlib.import_module(f"pymoo.{module}"), name)


PYMOO_RIVALS = (
    Rival("NSGA-II (pymoo)", through_pymoo(nsga2), needs=("pymoo",)),
    Rival("AGE-MOEA (pymoo)", through_pymoo(age_moea), needs=("pymoo", "numba")),
)

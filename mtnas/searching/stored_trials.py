"""Whether the trials of a study are those that this search would have made: samplers learn from them."""

from __future__ import annotations

import math

from mtnas.architecture import Candidate
from mtnas.errors import ArchitectureError, RunError
from mtnas.quantizing import JointCosts
from mtnas.runs.measured import CANDIDATE, COSTS
from mtnas.runs.study_file import damaged_study
from mtnas.searching.parameters import Parameters
from mtnas.searching.study import RunStudy


def check_trials(study: RunStudy, parameters: Parameters, joint: JointCosts) -> None:
    """Raise RunError unless every trial has parameters of the space, and measured ones those and the costs of theirs.

    Costs that are counted differ where a row was measured by a version of mtnas that gave other layers bits: its error
    and latency are then of another network.

    Args:
        study: as it was read.
        parameters: of the members of ``joint.space.product``.
        joint: the space of candidates.
    """
    for trial in study.study.get_trials(deepcopy=False):
        candidate = trial.user_attrs.get(CANDIDATE)
        if candidate is None and not trial.params:
            continue
        try:
            if trial.distributions != parameters.distributions:
                raise ArchitectureError("its parameters are not those of this space")
            member = parameters.decode(trial.params)
            if candidate is not None and joint.space.join(Candidate.from_json(candidate)) != member:
                raise ArchitectureError("its parameters are not those of its candidate")
            measured = dict(trial.user_attrs.get(COSTS, {}))
            counted = joint.table.of(joint.space.product, member) if measured else {}
            for name, now in counted.items():
                if not math.isclose(then := measured.get(name, now), now):
                    raise RunError(
                        f"trial {trial.number} of {study.where} was measured with {name} = {then:.10g}, but it is"
                        f" counted as {now:.10g} now: another version of mtnas made it, and its rows cannot stand"
                        " beside new ones; search anew in a fork of the run (mtnas fork), which keeps what is trained"
                    )
        except (ArchitectureError, LookupError, TypeError, ValueError) as error:
            raise damaged_study(study.where, f"trial {trial.number}: {error}") from error

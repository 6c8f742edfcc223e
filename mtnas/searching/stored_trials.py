"""Whether the trials of a study have the parameters of what was measured: samplers learn from them."""

from __future__ import annotations

from mtnas.architecture import Candidate, JointSpace
from mtnas.errors import ArchitectureError
from mtnas.runs.measured import CANDIDATE
from mtnas.runs.study_file import damaged_study
from mtnas.searching.parameters import Parameters
from mtnas.searching.study import RunStudy


def check_parameters(study: RunStudy, parameters: Parameters, joint: JointSpace) -> None:
    """Raise RunError unless every trial has parameters of the space, and measured ones those of their candidate.

    Args:
        study: as it was read.
        parameters: of the members of ``joint.product``.
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
            if candidate is not None and joint.join(Candidate.from_json(candidate)) != member:
                raise ArchitectureError("its parameters are not those of its candidate")
        except (ArchitectureError, LookupError, TypeError, ValueError) as error:
            raise damaged_study(study.where, f"trial {trial.number}: {error}") from error

"""What the predictors of a run's search were worth, read from its files alone."""

from __future__ import annotations

from mtnas.json_values import parse_json, text
from mtnas.results import PredictorReport
from mtnas.results.predictor_report import PREDICTORS
from mtnas.runs.run import Run
from mtnas.runs.searched import read_searched
from mtnas.runs.study_file import reading_study

_REPORTS = f"""
    SELECT trials.state, attributes.value_json
    FROM trials LEFT JOIN trial_system_attributes AS attributes
    ON attributes.trial_id = trials.trial_id AND attributes.key = '{PREDICTORS}'
    WHERE trials.study_id = :study
    ORDER BY trials.number
"""


def read_predictors(run: Run, *, patience_s: float = 30.0) -> tuple[PredictorReport, ...]:
    """Reports of a run's predictors by rising number of measured rows, one for every batch; nothing is written.

    None if the search has not got that far, or went without predictors. A batch that was planned again, since the
    process was stopped or the budgets changed, replaces what had been planned from as many rows or more.

    Args:
        run: another process may be searching it.
        patience_s: seconds to wait for that process to finish what it is writing.

    Raises:
        RunError: if the manifest or the study is damaged.
    """
    if "study" not in run.manifest.read():
        return ()
    searched = read_searched(run, run.architectures()[0])
    if searched is None:
        return ()
    reports: list[PredictorReport] = []
    measured = 0
    with reading_study(run, searched.study, patience_s) as ask:
        for state, value in ask(_REPORTS):
            if value is not None:
                report = PredictorReport.from_json(parse_json(text(value)), searched.objectives, measured)
                while reports and reports[-1].measured >= report.measured:
                    reports.pop()
                reports.append(report)
            measured += state == "COMPLETE"
    return tuple(reports)

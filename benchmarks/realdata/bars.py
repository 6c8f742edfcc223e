"""What is aimed at on each kind of data, and what was reached."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from benchmarks.realdata.choosing import HARD_SHARING, SINGLE_TASK, Rule
from benchmarks.realdata.figures import Spread
from benchmarks.realdata.outcome import Outcome
from benchmarks.report import Bar
from mtnas.results import mean_error

OVERLAY_RULE = Rule("params", 0.6, SINGLE_TASK, branched=True)
"""At most 60 % of the single-task networks' params in all."""

CHANCE = 0.05
"""A lead is beyond chance where its p is below."""

EQUAL_AUC = 0.001
"""Mean AUCs that differ by less are called equal: the third digit is the last that tables of this data print."""

CENSUS_RULE = Rule("macs", 0.5, HARD_SHARING, branched=False, slack=EQUAL_AUC)
"""The cheapest of about the lowest error, within half of the shared bottom's MACs; it may share everything."""


def overlay_bars(data: str, outcomes: Sequence[Outcome]) -> list[Bar]:
    """Size and gain over single-task networks; lead over hard sharing. From scratch and alike, then as refined."""
    share = max(outcome.member.params / outcome.single.params for outcome in outcomes)
    gain = Spread.of([outcome.gain(outcome.member) for outcome in outcomes])
    lead = Spread.of([outcome.lead(outcome.rival) for outcome in outcomes])
    refined_gain = Spread.of([outcome.refined_gain for outcome in outcomes])
    refined_lead = Spread.of([outcome.refined_lead for outcome in outcomes])
    return [
        Bar.at_most(f"{data}: front member's share of the single-task params, largest", share, OVERLAY_RULE.share),
        Bar.at_least(f"{data}, all from scratch: front member's Delta_m over single-task, mean", gain.mean, 0.0),
        _ahead(f"{data}, all from scratch: p of the lead over hard sharing at equal params", lead),
        Bar.at_least(f"{data}, refined: front member's Delta_m over single-task, mean", refined_gain.mean, 0.0),
        _ahead(f"{data}, refined: p of the lead over hard sharing at its best", refined_lead),
    ]


def _ahead(name: str, lead: Spread) -> Bar:
    told = f"{name} ({100 * lead.mean:+.2f} points, {lead.count} seeds)"
    return Bar(told, lead.p, f"< {CHANCE:g} and the lead above 0", lead.mean > 0 and lead.p < CHANCE)


def census_bars(data: str, outcomes: Sequence[Outcome]) -> list[Bar]:
    """AUC beside the shared bottom, and MACs beside it and beside the cheapest that is as good."""
    lost = fmean(mean_error(outcome.member.test) - mean_error(outcome.hard.test) for outcome in outcomes)
    share = max(outcome.member.macs / outcome.hard.macs for outcome in outcomes)
    strict = fmean(outcome.member.macs / outcome.shared_bottom(EQUAL_AUC).macs for outcome in outcomes)
    return [
        Bar.at_most(f"{data}: front member's mean AUC below the shared bottom's, mean of seeds", lost, EQUAL_AUC),
        Bar.at_most(f"{data}: front member's share of the shared bottom's MACs, largest", share, CENSUS_RULE.share),
        Bar.at_most(f"{data}: its share of the cheapest shared bottom of equal AUC, mean", strict, CENSUS_RULE.share),
    ]

"""The sampler on studies of any kind: Optuna's contract, and what it promises beyond."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase
from optuna.trial import TrialState
from sklearn.ensemble import RandomForestRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from mtnas.errors import SearchError
from mtnas.predicting import PlanSettings, RegressorModel, plan
from mtnas.searching import PredictorSampler
from mtnas.searching.predictor_sampler import PREDICTORS
from mtnas.searching.predictor_sampler import sampler as sampler_module
from mtnas.searching.predictor_sampler.axis import Axis

SPACE: dict[str, BaseDistribution] = {
    **{f"operator{i}": CategoricalDistribution(["a", "b", "c"]) for i in range(6)},
    **{f"width{i}": IntDistribution(8, 64, step=8) for i in range(4)},
}


@pytest.fixture(autouse=True)
def quiet() -> Any:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


class TestContract(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """The tests that Optuna ships for samplers."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: PredictorSampler(seed=0, startup=4)


def costs(params: dict[str, Any]) -> tuple[float, float]:
    """Error against size, with interactions between neighbours."""
    letters = ["abc".index(params[f"operator{i}"]) for i in range(6)]
    widths = [params[f"width{i}"] / 8 for i in range(4)]
    error = 40 - sum(letters) - 3 * np.log(np.prod(widths)) - 2 * sum(a != b for a, b in pairwise(letters))
    return float(error), float(sum(widths) + 2 * sum(letters))


def new_study(seed: int = 0, directions: int = 2, **options: Any) -> Study:
    return optuna.create_study(directions=["minimize"] * directions, sampler=PredictorSampler(seed=seed, **options))


def go_on(study: Study, trials: int, costs: Callable[[dict[str, Any]], Any] = costs) -> Study:
    for _ in range(trials):
        trial = study.ask(SPACE)
        study.tell(trial, costs(trial.params))
    return study


def proposals(study: Study) -> list[tuple[Any, ...]]:
    return [
        tuple(trial.params[name] for name in SPACE)
        for trial in study.trials
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    ]


def reached(study: Study) -> float:
    """The least of weighted sums of both costs, mean over the weights."""
    points = np.array([trial.values for trial in study.trials])
    return float(np.mean([np.min(points @ np.array([share, 1 - share])) for share in np.linspace(0.1, 0.9, 9)]))


# Finding what is good -----------------------------------------------------------------------------------------------


def test_beats_random_search() -> None:
    ours = [reached(go_on(new_study(seed), 60)) for seed in range(3)]
    random = []
    for seed in range(3):
        study = optuna.create_study(directions=["minimize"] * 2, sampler=optuna.samplers.RandomSampler(seed=seed))
        random.append(reached(go_on(study, 60)))
    assert max(ours) < min(random)


def test_a_thorough_sampler_plans_every_trial_and_finds_no_less() -> None:
    usual = [reached(go_on(new_study(seed), 40)) for seed in range(3)]
    thorough = []
    for seed in range(3):
        sampler = PredictorSampler.thorough(seed, polish=3)
        study = go_on(optuna.create_study(directions=["minimize"] * 2, sampler=sampler), 40)
        thorough.append(reached(study))
        assert sum(PREDICTORS in trial.system_attrs for trial in study.trials) == 30
        assert len(set(proposals(study))) == 40
    assert np.mean(thorough) < np.mean(usual)


def test_options_come_before_those_of_the_preset() -> None:
    sampler = PredictorSampler.thorough(3, batch=4, settings=PlanSettings(worlds=8))
    assert (sampler.seed, sampler.batch, sampler.refit) == (3, 4, 1.05)
    assert (sampler.settings.worlds, sampler.settings.polish) == (8, 10)
    for asked, rounds in (({}, 3), ({"polish": 5}, 5)):
        assert PredictorSampler.thorough(0, settings=PlanSettings(polish=3), **asked).settings.polish == rounds


def test_maximising_is_minimising_the_opposite() -> None:
    one = go_on(new_study(), 40)
    other = optuna.create_study(directions=["maximize", "minimize"], sampler=PredictorSampler(seed=0))
    go_on(other, 40, lambda params: (-costs(params)[0], costs(params)[1]))
    assert proposals(one) == proposals(other)


@pytest.mark.parametrize("objectives", [1, 3, 8])
def test_one_to_eight_objectives(objectives: int) -> None:
    def many(params: dict[str, Any]) -> list[float]:
        error, size = costs(params)
        return [error * (i + 1) + size * (objectives - i) for i in range(objectives)]

    study = go_on(new_study(directions=objectives), 30, many)
    assert len(set(proposals(study))) == 30


def test_constraints_steer_towards_what_is_allowed() -> None:
    def run(sampler: BaseSampler) -> Study:
        study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
        for _ in range(80):
            trial = study.ask(SPACE)
            error, size = costs(trial.params)
            trial.set_constraint("size", size - 14)
            trial.set_constraint("error", error - 25)
            study.tell(trial, (error, size))
        return study

    def met(study: Study) -> float:
        return float(np.mean([all(v <= 0 for v in trial.constraints.values()) for trial in study.trials[40:]]))

    assert met(run(PredictorSampler(seed=0))) > 0.5 > 0.2 > met(run(optuna.samplers.RandomSampler(seed=0)))


def test_nothing_feasible_yet_is_no_obstacle() -> None:
    study = new_study()
    for _ in range(25):
        trial = study.ask(SPACE)
        trial.set_constraint("never", 1.0)
        study.tell(trial, costs(trial.params))
    assert len(set(proposals(study))) == 25


def test_any_regressor_serves() -> None:
    forest = RegressorModel(RandomForestRegressor(n_estimators=20, random_state=0))
    study = go_on(new_study(settings=PlanSettings(models=(forest,))), 30)
    figures = [t.system_attrs[PREDICTORS]["figures"] for t in study.trials if PREDICTORS in t.system_attrs]
    assert {found["model"] for one in figures for found in one.values()} == {"RandomForestRegressor"}


# Nothing twice ------------------------------------------------------------------------------------------------------


def test_a_small_space_is_measured_whole_before_anything_is_repeated() -> None:
    small = {f"x{i}": CategoricalDistribution([0, 1, 2]) for i in range(3)}
    study = new_study()
    for _ in range(30):
        trial = study.ask(small)
        study.tell(trial, (sum(trial.params.values()), -trial.params["x0"] * trial.params["x1"]))
    assert len({tuple(trial.params.values()) for trial in study.trials[:27]}) == 27


def test_what_is_being_measured_is_not_proposed() -> None:
    study = new_study()
    go_on(study, 15)
    flying = [study.ask(SPACE) for _ in range(25)]
    assert len({tuple(trial.params.values()) for trial in flying} | set(proposals(study))) == 40
    for trial in reversed(flying):
        study.tell(trial, costs(trial.params))
    go_on(study, 10)
    assert len(set(proposals(study))) == 50


def test_threads_get_different_trials() -> None:
    study = new_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        return costs(
            {
                **{f"operator{i}": trial.suggest_categorical(f"operator{i}", ["a", "b", "c"]) for i in range(6)},
                **{f"width{i}": trial.suggest_int(f"width{i}", 8, 64, step=8) for i in range(4)},
            }
        )

    study.optimize(objective, n_trials=120, n_jobs=4)
    assert len(set(proposals(study))) == len(study.trials) == 120


def test_two_processes_on_one_study_get_different_trials() -> None:
    storage = InMemoryStorage()
    optuna.create_study(study_name="shared", storage=storage, directions=["minimize"] * 2)
    both = [optuna.load_study(study_name="shared", storage=storage, sampler=PredictorSampler(seed=0)) for _ in range(2)]
    for _ in range(30):
        trials = [study.ask(SPACE) for study in both]  # each without knowing of the other's memory
        for study, trial in zip(both, trials, strict=True):
            study.tell(trial, costs(trial.params))
    assert len(set(proposals(both[0]))) == 60


def test_a_candidate_that_fails_twice_is_given_up() -> None:
    study = new_study()
    go_on(study, 12)
    following = study.ask(SPACE)
    study.tell(following, state=TrialState.FAIL)
    again = study.ask(SPACE)
    assert again.params == following.params
    study.tell(again, state=TrialState.FAIL)
    assert study.ask(SPACE).params != following.params


# The study alone decides --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("storage_of", ["memory", "sqlite", "journal"])
def test_a_study_that_is_loaded_again_goes_on_as_if_it_had_never_stopped(storage_of: str, tmp_path: Path) -> None:
    storage = {
        "memory": InMemoryStorage,
        "sqlite": lambda: RDBStorage(f"sqlite:///{tmp_path}/study.db"),
        "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "journal"))),
    }[storage_of]()
    whole = go_on(new_study(7), 45)
    for trials in (4, 19, 1, 9, 12):
        study = optuna.create_study(
            study_name="one",
            storage=storage,
            directions=["minimize"] * 2,
            sampler=PredictorSampler(seed=7),
            load_if_exists=True,
        )
        go_on(study, trials)
        # A process that is killed leaves its trial running; the next one sweeps it.
        left_over = study.ask(SPACE)
        study.tell(left_over, state=TrialState.FAIL)
    assert proposals(study) == proposals(whole)


def test_plans_that_go_on_from_the_last_one_do_so_after_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = PlanSettings(evaluations=400, further=0.6, settled=20, anew=4)
    begun_from = []

    def spied(*arguments: Any, **more: Any) -> Any:
        begun_from.append(0 if more["before"] is None else len(more["before"]))
        return plan(*arguments, **more)

    monkeypatch.setattr(sampler_module, "plan", spied)
    whole = go_on(new_study(3, settings=settings), 75)
    # Batches of 3 after 10 trials: the sixth is the first to go on, the ninth, the 13th and so on begin anew.
    assert [count > 0 for count in begun_from] == [batch >= 4 and batch % 4 > 0 for batch in range(22)]
    storage = InMemoryStorage()
    for trials in (27, 1, 6, 7, 17, 2, 15):
        sampler = PredictorSampler(seed=3, settings=settings)
        study = optuna.create_study(
            study_name="one", storage=storage, directions=["minimize"] * 2, sampler=sampler, load_if_exists=True
        )
        go_on(study, trials)
    assert proposals(study) == proposals(whole)


def test_another_seed_gives_another_search() -> None:
    assert proposals(go_on(new_study(0), 20)) != proposals(go_on(new_study(1), 20))


def test_one_sampler_serves_two_studies_of_one_name() -> None:
    sampler = PredictorSampler(seed=0)
    found = []
    for _ in range(2):
        study = optuna.create_study(study_name="same", directions=["minimize"] * 2, sampler=sampler)
        found.append(proposals(go_on(study, 25)))
    assert found[0] == found[1]


def test_a_sampler_is_pickled_without_its_memory() -> None:
    study = go_on(new_study(), 20)
    copy = pickle.loads(pickle.dumps(study.sampler))
    other = optuna.create_study(directions=["minimize"] * 2, sampler=copy)
    other.add_trials(study.trials)
    assert study.ask(SPACE).params == other.ask(SPACE).params


# What is told -------------------------------------------------------------------------------------------------------


def test_every_batch_keeps_the_figures_of_its_predictors() -> None:
    study = go_on(new_study(), 45)
    kept = [trial.number for trial in study.trials if PREDICTORS in trial.system_attrs]
    assert kept == [*range(10, 45, 3)]
    for number in kept:
        figures = study.trials[number].system_attrs[PREDICTORS]["figures"]
        assert set(figures) == {"0", "1"}
        assert {"tau", "mape", "coverage", "rows", "model", "trusted"} <= set(figures["0"])
    assert figures["1"]["tau"] > 0.8 and figures["1"]["trusted"]


def test_plans_do_not_depend_on_the_number_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spied(*arguments: Any, **more: Any) -> Any:
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return plan(*arguments, **more)

    monkeypatch.setattr(sampler_module, "plan", spied)
    with threadpool_limits(2, user_api="blas"):
        go_on(new_study(), 12)
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {2}
    assert seen and set(seen) == {1}


def test_an_unpredictable_study_falls_back_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, said = np.random.default_rng(0), list[str]()
    monkeypatch.setattr(sampler_module._log, "warning", said.append)
    study = new_study(settings=PlanSettings(least_tau=0.6, tau_errors=1), startup=20)
    go_on(study, 40, lambda params: tuple(rng.normal(size=2)))
    notes = [trial.system_attrs[PREDICTORS]["note"] for trial in study.trials if PREDICTORS in trial.system_attrs]
    assert len(notes) > 2 and all("no predictor comes near a tau of 0.6" in note for note in notes)
    assert len(said) == 1 and notes[0] in said[0]
    assert len(set(proposals(study))) == 40


# Parameters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution([1, "1", None, 0.5, False, math.nan]),
        IntDistribution(1, 9, step=2),
        IntDistribution(1, 10_000),
        IntDistribution(1, 1024, log=True),
        FloatDistribution(0.0, 1.0, step=0.25),
        FloatDistribution(1e-5, 1.0, log=True),
        FloatDistribution(-3.0, 3.0),
    ],
)
def test_every_value_of_an_axis_is_allowed_and_found_again(distribution: BaseDistribution) -> None:
    axis = Axis.of(distribution, 64)
    assert 2 <= len(axis.values) <= 64
    for number, value in enumerate(axis.values):
        assert distribution._contains(distribution.to_internal_repr(value))
        assert axis.number(value) == number


@pytest.mark.parametrize("choices", [[True, 1, 2, 3], [0, False, None, "0"], [1, 1.0, 2], [math.nan, 1.0, None]])
def test_choices_that_optuna_takes_for_each_other_make_no_repeats(choices: list[Any]) -> None:
    study = new_study(directions=1)
    for _ in range(20):
        trial = study.ask()
        cost = len(str(trial.suggest_categorical("choice", choices))) + trial.suggest_int("number", 0, 9)
        study.tell(trial, cost)
    assert len({repr(trial.params) for trial in study.trials}) == 20


@pytest.mark.parametrize("infinite", [math.inf, -math.inf])
def test_constraints_may_be_infinite(infinite: float) -> None:
    study = new_study()
    for _ in range(40):
        trial = study.ask(SPACE)
        found = costs(trial.params)
        trial.set_constraint("small", infinite if found[1] * infinite > 20 * infinite else found[1] - 20)
        trial.set_constraint("always the same", infinite)
        study.tell(trial, found)
    assert len(set(proposals(study))) == 40


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"startup": 1}, "startup must be at least 2, but is 1"),
        ({"batch": 0}, "batch must be at least 1, but is 0"),
        ({"refit": 1}, "refit must be above 1, but is 1"),
        ({"levels": 1.5}, "levels must be at least 2, but is 1.5"),
        ({"settings": PlanSettings(anew=0)}, "anew must be at least 1, but is 0"),
        ({"settings": PlanSettings(further=2)}, "further must lie between 0 and 1, but is 2"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SearchError, match=sentence):
        PredictorSampler(**options)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, None, "1"])
def test_a_reference_that_is_no_number_is_named(wrong: Any) -> None:
    with pytest.raises(SearchError, match=f"reference must hold a finite number .* but holds {wrong}$"):
        PredictorSampler(reference=[1.0, wrong])


def test_a_reference_of_the_wrong_length_is_named() -> None:
    study = new_study(reference=[1.0])
    with pytest.raises(SearchError, match="has 1 numbers, but the study has 2 objectives"):
        go_on(study, 12)

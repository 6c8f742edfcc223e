"""A candidate beside plain networks of its size, all trained alike."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from test_space_files import DATA_DIR, EVERY_FILE
from torch import nn
from toy_runs import TOY_FILE, call, contents, refused, searched_run
from toys import WIDTH, toy_data, toy_tasks, toy_x

from mtnas import Comparison, Data, RefineSettings, Run, SearchSpace, TrainingSettings, compare, read_compared
from mtnas.architecture import Architecture, Candidate, CostTable, QuantizationPolicy, Tree, split_tree
from mtnas.errors import ArchitectureError, RunError, SpaceError, TrainingError
from mtnas.evaluation import task_errors
from mtnas.exporting import load_network
from mtnas.refining import read_comparisons
from mtnas.refining.fresh import fresh_network
from mtnas.refining.job import Job
from mtnas.refining.widening import Widths
from mtnas.runs import load_checkpoint
from mtnas.space.block import Block, Operator
from mtnas.space.file import load_space_file
from mtnas.supernet import SuperNetwork
from mtnas.training import claim_run

HOW = RefineSettings(epochs=2, learning_rate=1e-2, threads=1, from_scratch=True)
NAMES = [
    "the candidate",
    "hard sharing, largest operators",
    "hard sharing, the candidate's operators",
    "single-task, largest operators",
]
HARD, OWN, SINGLE = NAMES[1:]


def layer(width: int, hidden: int | None = None) -> Operator:
    def make(shape: tuple[int, ...]) -> nn.Module:
        inner = hidden or width
        out = nn.Linear(inner, width) if hidden else nn.Identity()
        return nn.Sequential(nn.Linear(shape[0], inner), nn.BatchNorm1d(inner), nn.ReLU(), out)

    return make


def widened(factor: float) -> SearchSpace:
    """Three tasks, three blocks; names of options tell their width, as those of elastic operators do."""
    width, hidden = (max(1, round(size * factor)) for size in (WIDTH, 3 * WIDTH))
    options = {f"plain{width}": layer(width), f"wide{width}": layer(width, hidden)}
    return SearchSpace(toy_tasks(), [Block(name, options) for name in ("first", "middle", "last")])


MEMBER = Candidate(
    Architecture(
        Tree.from_groups([[[0, 1, 2]], [[0, 2], [1]], [[0, 2], [1]]]),
        (("wide8",), ("plain8", "wide8"), ("plain8", "plain8")),
    )
)


@pytest.fixture(scope="module")
def data() -> Data:
    """A few samples; the same ones validate and test."""
    data = toy_data()
    return replace(data, test=data.valid)


@pytest.fixture
def run(tmp_path: Path, data: Data) -> Run:
    """A run of the space and the data in which nothing was trained."""
    return claimed(tmp_path / "run", data)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Data) -> tuple[Run, Comparison]:
    """Another such run, and its comparison, made without a break."""
    run = claimed(tmp_path_factory.mktemp("whole") / "run", data)
    return run, compared(run, data)


def claimed(path: Path, data: Data) -> Run:
    run = Run(path, 0)
    claim_run(widened(1), data, run, TrainingSettings())
    return run


@pytest.fixture(scope="module")
def widths() -> Widths:
    return Widths(widened, toy_x(4), 16)


def compared(run: Run, data: Data, settings: RefineSettings = HOW, seeds: int = 2) -> Comparison:
    return compare(widened, data, run, MEMBER, settings, seeds, show_progress=False)


def corner(widths: Widths, kind: Callable[..., Tree]) -> Architecture:
    space, found = widths.at(1.0)
    tree = split_tree(space.architectures) if kind == Tree.split else Tree.shared(3, 3)
    return found.costs.uniform(space.architectures, tree, "params", largest=True)


# Widths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Tree.shared, Tree.split])
@pytest.mark.parametrize("steps", [3, 11, 16, 25, 70])
def test_params_that_can_be_met_are_met(steps: int, kind: Callable[..., Tree], widths: Widths) -> None:
    architecture = corner(widths, kind)
    params = widths.costs(steps / 16, architecture)["params"]
    factor = widths.factor_for("it", architecture, params)
    assert widths.costs(factor, architecture)["params"] == params
    assert (factor == 1) == (steps == 16)


@pytest.mark.parametrize("name", ["digits", "vit_digits"])
def test_costs_at_a_width_are_those_of_the_whole_space_there(name: str) -> None:
    file = load_space_file(Path(__file__).parents[1] / "search_spaces" / f"{name}.py")
    quick, whole = (Widths(file.widening(), torch.rand(2, 1, 12, 12), 16) for _ in range(2))
    rng = random.Random(0)
    for factor in (0.6, 1.7):
        space, found = whole.at(factor)
        for _ in range(3):
            architecture = whole.at(1.0)[0].architectures.draw(rng)
            placed = whole.place(factor, architecture)[1]
            assert quick.costs(factor, architecture) == found.costs.of(space.architectures, placed)


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.3])
def test_no_other_width_comes_nearer_and_none_is_too_large(tolerance: float, widths: Widths) -> None:
    architecture = corner(widths, Tree.split)
    reachable = sorted({widths.costs(step / 200, architecture)["params"] for step in range(1, 401, 2)})
    for params in (reachable[0], 1000, 1234, 2000, 3456):
        limit = params * (1 + tolerance)
        best = min(abs(count - params) for count in reachable if count <= limit)
        found = widths.costs(widths.factor_for("it", architecture, params, tolerance=tolerance), architecture)["params"]
        assert found <= limit and abs(found - params) <= best


def test_what_no_width_reaches_is_told(widths: Widths, data: Data) -> None:
    hard = corner(widths, Tree.shared)
    smallest = widths.costs(1e-9, hard)["params"]
    with pytest.raises(
        SpaceError, match=rf"^it has {smallest} params even at the smallest width, but {smallest // 2} "
    ):
        widths.factor_for("it", hard, smallest // 2)
    stuck = Widths(lambda factor: widened(1), data.example()[0], data.batch_size)
    params = stuck.costs(1.0, hard)["params"]
    with pytest.raises(SpaceError, match="only .* let widened.factor. multiply every width by the factor"):
        stuck.factor_for("it", hard, 2 * params)
    with pytest.raises(SpaceError, match="even at the smallest width"):
        stuck.factor_for("it", hard, params // 2)


def test_a_widened_space_of_another_form_is_told(data: Data, widths: Widths) -> None:
    hard = corner(widths, Tree.shared)

    def other(factor: float) -> SearchSpace:
        space = widened(factor)
        return space if factor == 1 else SearchSpace(space.tasks, space.blocks[:2])

    with pytest.raises(SpaceError, match="in the same order, but it has 2 blocks instead of 3"):
        Widths(other, data.example()[0], data.batch_size).costs(0.5, hard)
    with pytest.raises(SpaceError, match=r"^widened\(1\) must return a mtnas.SearchSpace, but returned a NoneType"):
        Widths(lambda factor: None, data.example()[0], 16).at(1.0)  # type: ignore[arg-type, return-value]


# Trainings -------------------------------------------------------------------------------------------------------


def test_told_costs_and_errors_are_those_of_the_trained_networks(whole: tuple[Run, Comparison], data: Data) -> None:
    run, comparison = whole
    assert [network.name for network in comparison.networks] == NAMES
    member = comparison.networks[0]
    assert member.candidate == MEMBER and member.factor == 1 and comparison.single == SINGLE
    for network in comparison.networks:
        assert member.params * 0.9 < network.params <= member.params * 1.02
        space = widened(network.factor)
        (path,) = [
            path.parent
            for path in (run.path / "compared" / MEMBER.id).glob("*-seed-1/row.json")
            if json.loads(path.read_text())["network"] == network.name
        ]
        found = space.dry_run(data.example()[0])
        architecture = Widths(widened, data.example()[0], 2).place(network.factor, network.candidate.architecture)[1]
        module = _loaded(path, space, architecture, data)
        assert sum(p.numel() for p in module.parameters()) == network.params
        assert found.costs.of(space.architectures, architecture)["macs"] == network.macs
        (told,) = [one for one in comparison.runs if one.network == network.name and one.seed == 1]
        assert task_errors(module, space.tasks, data.valid_batches()) == told.valid
        assert told.test == told.valid  # the same samples here


def _loaded(path: Path, space: SearchSpace, architecture: Architecture, data: Data) -> nn.Module:
    """The network with the weights of a folder."""
    network = SuperNetwork(space, data.example()[0]).extract(architecture)
    network.load_state_dict(load_checkpoint(path / "network.safetensors")[0])
    return network.eval()


def test_compared_networks_load_like_any_exported_network(
    whole: tuple[Run, Comparison], data: Data, widths: Widths
) -> None:
    run, comparison = whole
    for network, short in zip(comparison.networks, ("the-candidate", "hard", "hard", "single"), strict=True):
        (row,) = [one for one in comparison.runs if one.network == network.name and one.seed == 0]
        folders = [path.parent for path in run.path.glob(f"compared/{MEMBER.id}/{short}*-seed-0/row.json")]
        (folder,) = [path for path in folders if json.loads((path / "row.json").read_text())["network"] == network.name]
        space, placed = widths.place(network.factor, network.candidate.architecture)
        module, note = load_network(folder, space, data.example()[0])
        assert Candidate.from_json(note["candidate"]) == Candidate(placed)
        assert task_errors(module, space.tasks, data.valid_batches()) == row.valid
    assert any(network.factor != 1 for network in comparison.networks)


def test_networks_of_one_number_see_the_samples_in_one_order(
    run: Run, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = Data.train_batches
    monkeypatch.setattr(Data, "train_batches", lambda self, seed: seen.append(seed) or original(self, seed))
    networks = compared(run, data).networks
    first, second = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    for orders in (first, second):
        assert orders == orders[: HOW.epochs] * len(networks)
    assert set(first).isdisjoint(second)


def test_equal_seeds_give_equal_results_and_others_do_not(run: Run, whole: tuple[Run, Comparison], data: Data) -> None:
    comparison = compared(run, data)
    assert comparison == whole[1]
    for name in NAMES:
        one, two = (row.valid for row in comparison.runs if row.network == name)
        assert one != two


@pytest.mark.parametrize("stop", [1, 4, 12])
def test_an_interrupted_comparison_ends_as_an_uninterrupted_one(
    stop: int, run: Run, whole: tuple[Run, Comparison], data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, expected = whole
    epochs = []
    usual = Job._train_epoch

    def stops(self: Job, *given: object) -> None:
        epochs.append((self.folder.name, given[-1]))
        if len(epochs) == stop:
            raise KeyboardInterrupt
        usual(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Job, "_train_epoch", stops)
    with pytest.raises(KeyboardInterrupt):
        compared(run, data)
    before = contents(run.path)
    assert compared(run, data) == expected
    # Only the epoch that was interrupted is begun twice.
    assert len(epochs) == 1 + len(set(epochs)) == 1 + len(NAMES) * 2 * HOW.epochs
    after = contents(run.path)
    assert all(after[name] == text for name, text in before.items() if "checkpoint" not in name)
    assert not [name for name in after if "checkpoint" in name]
    assert compared(run, data) == expected and contents(run.path) == after
    assert len(epochs) == 1 + len(NAMES) * 2 * HOW.epochs
    table = f"compared/{MEMBER.id}/compared.csv"
    assert after[table] == (uninterrupted.path / table).read_bytes()


def test_an_epoch_without_finite_errors_is_not_kept(run: Run, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, judgements = Job._judged, itertools.count()

    def judged(*given: Any) -> dict[str, float]:  # of every training the start, two epochs, and the test split
        errors = usual(*given)
        return {**errors, "kind": math.nan} if next(judgements) % 4 == 1 else errors

    monkeypatch.setattr(Job, "_judged", judged)
    comparison = compared(run, data, seeds=1)
    assert len(comparison.runs) == len(NAMES) and all(one.epoch != 1 for one in comparison.runs)
    for path in run.path.glob("compared/*/*/row.json"):
        first, second = json.loads(path.read_text())["history"]
        assert first["kind"] is None and second["kind"] is not None


def test_more_seeds_add_to_those_that_are_there(run: Run, whole: tuple[Run, Comparison], data: Data) -> None:
    compared(run, data, seeds=1)
    rows = {name: text for name, text in contents(run.path).items() if name.endswith("row.json")}
    assert len(rows) == len(NAMES)
    comparison = compared(run, data, seeds=2)
    assert comparison == whole[1] == read_compared(run, MEMBER)
    after = contents(run.path)
    assert all(after[name] == text for name, text in rows.items())
    assert compared(run, data, seeds=1) == comparison


def test_other_settings_are_refused_by_their_names(run: Run, data: Data) -> None:
    compared(run, data, seeds=1)
    before = contents(run.path)
    with pytest.raises(RunError, match=r"begun with settings\.epochs = 2, but now it is 3; use the same value, or del"):
        compared(run, data, replace(HOW, epochs=3))
    with pytest.raises(RunError, match=r"begun with tolerance = 0\.02, but now it is 0\.5"):
        compare(widened, data, run, MEMBER, HOW, 1, tolerance=0.5, show_progress=False)
    with pytest.raises(RunError, match=r"begun with networks\.hard sharing, largest operators\.factor = "):
        compare(lambda factor: widened(factor**2), data, run, MEMBER, HOW, 1, show_progress=False)
    with pytest.raises(RunError, match=r"has data\.branch = .*, but now it is "):
        compare(widened, replace(data, train=data.valid), run, MEMBER, HOW, 1, show_progress=False)
    with pytest.raises(SpaceError, match=r"^widened\(1\) must give the run's own space, but the run .* has space\."):
        compare(lambda factor: widened(2 * factor), data, run, MEMBER, HOW, 1, show_progress=False)
    assert contents(run.path) == before


def test_what_cannot_be_compared_is_refused_before_training(run: Run, tmp_path: Path, data: Data) -> None:
    before = contents(run.path)
    with pytest.raises(TrainingError, match="^seeds must be at least 1, but is 0"):
        compared(run, data, seeds=0)
    with pytest.raises(TrainingError, match="^tolerance must lie between 0 and 1, but is -0.1"):
        compare(widened, data, run, MEMBER, HOW, 1, tolerance=-0.1)
    with pytest.raises(ArchitectureError, match="has a quantization policy"):
        policy = QuantizationPolicy.of({(0, 0): (8, 8)})
        compare(widened, data, run, Candidate(MEMBER.architecture, policy), HOW, 1)
    with pytest.raises(ArchitectureError, match="there is no option 'narrow'"):
        options = (("narrow",), ("plain8", "wide8"), ("plain8", "plain8"))
        compare(widened, data, run, Candidate(Architecture(MEMBER.architecture.tree, options)), HOW, 1)
    with pytest.raises(RunError, match="was not compared yet"):
        read_compared(run, MEMBER)
    with pytest.raises(RunError, match="has no space yet"):
        compared(Run(tmp_path / "nothing"), data)
    assert contents(run.path) == before and not (tmp_path / "nothing").exists()


def test_a_damaged_file_is_named(run: Run, data: Data) -> None:
    compared(run, data, seeds=1)
    row = next((run.path / "compared" / MEMBER.id).glob("single-task*/row.json"))
    row.write_text(row.read_text()[:40])
    with pytest.raises(RunError, match=f"{row.parent.name}/row.json is damaged .*; delete its folder"):
        compared(run, data, seeds=1)
    shutil.rmtree(row.parent)
    assert len(compared(run, data, seeds=1).runs) == len(NAMES)


def test_what_was_compared_is_listed_and_a_damaged_list_is_an_error(run: Run, data: Data) -> None:
    assert read_comparisons(run) == []
    comparison = compared(run, data, seeds=1)
    assert comparison.candidate == MEMBER and read_comparisons(run) == [comparison]
    for damaged in ('{"candidate": {}}', "[]", "{"):
        (run.path / "compared" / MEMBER.id / "comparison.json").write_text(damaged)
        with pytest.raises(
            RunError, match=r"comparison\.json is damaged .*; delete .* to compare that candidate again"
        ):
            read_comparisons(run)


@pytest.mark.parametrize(("kind", "left"), [(Tree.shared, [SINGLE]), (Tree.split, [HARD])])
def test_a_baseline_that_is_the_candidate_is_left_out(
    kind: Callable[..., Tree], left: list[str], run: Run, data: Data, widths: Widths
) -> None:
    candidate = Candidate(corner(widths, kind))
    comparison = compare(widened, data, run, candidate, HOW, 1, show_progress=False)
    assert [network.name for network in comparison.networks] == [NAMES[0], *left]
    assert comparison.delta_m(comparison.single) == 0
    assert comparison.single == (SINGLE if kind == Tree.shared else NAMES[0])


def test_fresh_networks_are_ordinary_and_follow_their_seed(data: Data) -> None:
    x = data.example()[0]
    one, two, other = (fresh_network(widened(1), MEMBER.architecture, x, seed) for seed in (5, 5, 6))
    same, unlike = (
        [torch.equal(a, b) for a, b in zip(one.parameters(), network.parameters(), strict=True)]
        for network in (two, other)
    )
    assert all(same) and not all(unlike)
    # The names and shapes of what a supernetwork gives, so that the files of both can be read alike.
    expected = SuperNetwork(widened(1), x).extract(MEMBER).state_dict()
    assert {n: t.shape for n, t in one.state_dict().items()} == {n: t.shape for n, t in expected.items()}
    # Nodes of a block start with weights of their own, and making a network draws no numbers from outside.
    weights = [p for name, p in one.named_parameters() if p.shape == (WIDTH, WIDTH)]
    assert len({tuple(p.flatten().tolist()) for p in weights}) == len(weights) == 3
    state = torch.random.get_rng_state()
    fresh_network(widened(1), MEMBER.architecture, x, 7)
    assert torch.equal(state, torch.random.get_rng_state())


# The table -------------------------------------------------------------------------------------------------------


def test_the_table_holds_means_and_deviations_over_the_trainings(run: Run, data: Data) -> None:
    comparison = compared(run, data, seeds=3)
    frame = comparison.to_frame().set_index("network")
    assert list(frame.index) == NAMES and set(frame["runs"]) == {3}
    for name in NAMES:
        runs = [one for one in comparison.runs if one.network == name]
        for task in comparison.tasks:
            errors = [one.test[task] for one in runs]
            assert math.isclose(frame.loc[name, f"test/{task}"], statistics.fmean(errors))
            assert math.isclose(frame.loc[name, f"test/{task}/sd"], statistics.stdev(errors))
        means = [statistics.fmean(one.valid.values()) for one in runs]
        assert math.isclose(frame.loc[name, "valid/mean"], statistics.fmean(means))
        assert math.isclose(frame.loc[name, "valid/mean/sd"], statistics.stdev(means))
    base = [frame.loc[SINGLE, f"test/{task}"] for task in comparison.tasks]
    ours = [frame.loc[NAMES[0], f"test/{task}"] for task in comparison.tasks]
    gains = [(theirs - own) / theirs for theirs, own in zip(base, ours, strict=True)]
    assert math.isclose(frame.loc[NAMES[0], "delta_m"], statistics.fmean(gains))
    assert frame.loc[SINGLE, "delta_m"] == 0


def test_without_a_test_split_there_is_no_test_error(tmp_path: Path, data: Data) -> None:
    data = replace(data, test=None)
    run = Run(tmp_path / "untested", 0)
    claim_run(widened(1), data, run, TrainingSettings())
    frame = compared(run, data, seeds=1).to_frame()
    assert frame["test/mean"].isna().all() and frame["delta_m"].isna().all() and frame["valid/mean"].notna().all()
    assert frame["valid/mean/sd"].isna().all()  # one training has no deviation


# Space files and the command -------------------------------------------------------------------------------------

WIDENED = """

def widened(factor):
    width, hidden = (max(1, round(size * factor)) for size in (WIDTH, 10))

    def plain(shape):
        return nn.Sequential(nn.Linear(shape[0], width), nn.BatchNorm1d(width), nn.ReLU())

    def wide(shape):
        return nn.Sequential(nn.Linear(shape[0], hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Tanh())

    options = {"plain": plain, "wide": wide}
    return SearchSpace(
        space.tasks, [Block("first", options), Block("middle", {**options, "skip": skip}), Block("last", options)]
    )
"""


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """A searched run without the supernetwork's weights, which comparing does not need."""
    path = searched_run(tmp_path / "searched").path
    (path / "supernet.safetensors").unlink()
    return path


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy_widened.py"
    path.write_text(TOY_FILE.read_text(encoding="utf-8") + WIDENED, encoding="utf-8")
    return path


def test_the_command_prints_and_writes_the_table(searched: Path, space_file: Path) -> None:
    from mtnas.searching import read_results

    results = read_results(Run(searched))
    row = next(row for row in results.front() if row.candidate.architecture not in results.corners.values())
    words = ("compare", searched, "--space", space_file, "-c", row.id[:6], "--seeds", "2", "--epochs", "1")
    outcome = call(*words)
    assert outcome.code == 0, outcome
    assert "[1 of " in outcome.err
    frame = pd.read_csv(searched / "compared" / row.id / "compared.csv")
    told = " ".join(outcome.out.split())
    for line in frame.to_dict("records"):
        mean = f"{line['test/mean']:.4f} +- {line['test/mean/sd']:.4f}"
        assert re.search(rf"{line['network']} .*{line['params']:,} .*{line['macs']:,} .*{re.escape(mean)}", told)
    again = call(*words)
    assert (again.code, again.out, again.err) == (0, outcome.out, "")
    refused(call(*words[:-1], "2"), "settings.epochs = 1, but now it is 2", "delete")


def test_a_space_file_without_widened_is_told_what_to_add(searched: Path, tmp_path: Path) -> None:
    before = contents(searched)
    refused(
        call("compare", searched, "-c", "#0"), "has no widened(factor)", "multiplied by factor, rounded, at least 1"
    )
    assert contents(searched) == before
    assert load_space_file(TOY_FILE).widened is None
    path = tmp_path / "no_function.py"
    path.write_text(TOY_FILE.read_text(encoding="utf-8") + "\nwidened = 3\n", encoding="utf-8")
    refused(call("compare", searched, "-c", "#0", "--space", path), "widened must be a function", "but is a int")
    path.write_text(TOY_FILE.read_text(encoding="utf-8") + "\ndef widened(factor):\n    return 1 / 0\n")
    refused(call("compare", searched, "-c", "#0", "--space", path), "return 1 / 0", "ZeroDivisionError")


def test_comparing_says_what_comes_first(tmp_path: Path, searched: Path) -> None:
    refused(call("compare", tmp_path / "nowhere", "-c", "#0"), "there is no run in")
    refused(call("compare", searched, "-c", "#1000"), "no candidate", "#1000")


@EVERY_FILE
def test_space_files_can_be_widened(path: Path) -> None:
    file = load_space_file(path)
    assert file.widening()(1).architectures == file.space.architectures
    if DATA_DIR is None and path.stem not in ("digits", "vit_digits"):
        pytest.skip("needs data files: name their directory in MTNAS_DATA")
    data = file.data(DATA_DIR)
    widths = Widths(file.widening(), data.example()[0], data.batch_size)
    space, found = widths.at(1.0)
    assert space.describe(found) == file.space.describe(file.space.dry_run(data.example()[0], data.batch_size))
    tree = split_tree(space.architectures)
    single: Architecture = found.costs.uniform(space.architectures, tree, "params", largest=True)
    params = [widths.costs(factor, single)["params"] for factor in (0.01, 0.25, 0.5, 1.0, 2.0)]
    assert params == sorted(set(params)) and _is_quadratic(found.costs, params)


def _is_quadratic(costs: CostTable, params: list[int]) -> bool:
    """Whether doubled widths more than double the params: all of them grow, not only some."""
    return params[4] - costs.stem[0] > 2 * (params[3] - costs.stem[0])

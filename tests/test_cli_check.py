"""A space and its data tried without training: what is told is so, and what does not fit is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import toy_space
from toy_runs import TOY_FILE, call, contents, refused

from mtnas.results import corners
from mtnas.space.counting import count_params

TEXT = TOY_FILE.read_text()


def checked(path: Path, *more: str) -> dict[str, Any]:
    """The JSON of a check that found nothing wrong, alone on standard output."""
    outcome = call("check", path, "--json", *more)
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def changed(folder: Path, old: str, new: str) -> Path:
    """The toy file with a part of it in other words."""
    assert TEXT.count(old) == 1, old
    path = folder / "changed.py"
    path.write_text(TEXT.replace(old, new))
    return path


def test_the_space_is_told_as_it_is() -> None:
    told, space = checked(TOY_FILE), toy_space.space.architectures
    assert told["trees"] == len(list(space.trees())) and told["architectures"] == len(list(space.architectures()))
    assert [task["name"] for task in told["tasks"]] == list(space.tasks)
    assert [(task["error"], task["output"]) for task in told["tasks"]] == [
        ("SlowRate", [4]), ("SlowSpread", []), ("SlowSpread", []),
    ]  # fmt: skip
    assert told["tasks"][0]["loss"] == "CrossEntropy(missing=-100)" and told["tasks"][0]["reference_error"] == 0.75
    assert told["samples"] == {"train": 160, "branch": 40, "valid": 60, "test": 40}
    assert told["training"] == {"epochs": 3, "batches": 4} and told["input"] == [toy_space.INPUTS]


def test_params_are_those_of_the_modules() -> None:
    for block, line in zip(toy_space.space.blocks, checked(TOY_FILE)["blocks"], strict=True):
        for option in line["options"]:
            module = block.options[option["name"]](tuple(option["enters"]))
            assert option["params"] == count_params(module) and option["leaves"] == [toy_space.WIDTH]


def test_corners_are_sums_of_what_is_told() -> None:
    told = checked(TOY_FILE)
    for name in ("params", "macs"):
        heads = sum(head[name] for head in told["heads"])
        for size, pick in (("smallest", min), ("largest", max)):
            # By params: in the toy space, the options of most params have most macs.
            nodes = [pick((option["params"], option[name]) for option in b["options"])[1] for b in told["blocks"]]
            for tree, copies in (("hard sharing", 1), ("single-task", len(told["tasks"]))):
                assert told["corners"][f"{tree}, {size}"][name] == copies * sum(nodes) + heads
        assert told["range"][name] == [
            told["corners"]["hard sharing, smallest"][name],
            told["corners"]["single-task, largest"][name],
        ]


def test_options_with_several_entering_shapes_are_told_for_each() -> None:
    told = checked(Path("search_spaces/digits.py"))
    first, second = told["blocks"][:2]
    leaving = {tuple(option["leaves"]) for option in first["options"]}
    assert leaving == {tuple(option["enters"]) for option in second["options"]} and len(leaving) == 2
    pairs = [(option["name"], tuple(option["enters"])) for option in second["options"]]
    assert len(set(pairs)) == len(pairs) == 8


def test_the_table_has_the_same_figures() -> None:
    told, shown = checked(TOY_FILE), call("check", TOY_FILE)
    assert shown.code == 0 and shown.err == ""
    for corner, costs in told["corners"].items():
        line = next(line for line in shown.out.splitlines() if corner in line)
        assert f"{costs['params']:,}" in line and f"{costs['macs']:,}" in line
    assert f"{told['trees']} trees, {told['architectures']:,} architectures" in shown.out
    assert all(option["name"] in shown.out for block in told["blocks"] for option in block["options"])


def test_nothing_is_written_and_the_data_folder_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = changed(
        tmp_path, "    return Data(", "    assert data_dir is not None and data_dir.is_dir()\n    return Data("
    )
    before = contents(tmp_path)
    refused(call("check", path), "AssertionError")
    assert checked(path, "--data-dir", str(tmp_path))["samples"]["train"] == 160
    monkeypatch.setenv("MTNAS_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert checked(path)["trees"] > 1
    after = contents(tmp_path)
    assert {name for name in after if "__pycache__" not in name} == before.keys()


def test_a_space_of_dicts_and_endless_data(tmp_path: Path) -> None:
    path = tmp_path / "streams.py"
    path.write_text(
        "import torch\nfrom torch import nn\nimport mtnas\nfrom mtnas.space.task_types import regression\n"
        "class Stream(torch.utils.data.IterableDataset):\n"
        "    def __iter__(self):\n"
        "        while True:\n"
        "            yield {'left': torch.ones(2), 'right': torch.ones(3)}, {'sum': torch.tensor(5.0)}\n"
        "class Join(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return torch.cat([x['left'], x['right']], 1)\n"
        "one = lambda shape: nn.Linear(5, 4)\n"
        "only = mtnas.Block('only', {'one': one})\n"
        "space = mtnas.SearchSpace([regression('sum')], [only], stem=lambda shapes: Join())\n"
        "def data(data_dir):\n    return mtnas.Data(Stream(), Stream(), branch=Stream(), batch_size=4)\n"
    )
    told = checked(path)
    assert told["samples"] == {"train": None, "branch": None, "valid": None} and told["training"]["batches"] is None
    assert any("train and valid and branch end" in text and "for ever" in text for text in told["remarks"])
    assert told["input"] == {"left": [2], "right": [3]} and told["stem"]["leaves"] == [5]
    shown = call("check", path)
    assert "left 2, right 3" in shown.out and "train unknown" in shown.out and "stem" in shown.out


def test_spaces_too_large_to_write_out_are_told(tmp_path: Path) -> None:
    path = tmp_path / "large.py"
    path.write_text(
        "import torch\nfrom torch import nn\nimport mtnas\nfrom mtnas.space.task_types import regression\n"
        "names = [f'task{number}' for number in range(40)]\n"
        "class Ones(torch.utils.data.Dataset):\n"
        "    def __len__(self):\n        return 20\n"
        "    def __getitem__(self, i):\n        return torch.ones(2), {name: torch.tensor(1.0) for name in names}\n"
        "one = lambda shape: nn.Linear(2, 2)\n"
        "space = mtnas.SearchSpace([regression(name) for name in names],\n"
        "    [mtnas.Block(f'block{number}', {'one': one, 'other': one}) for number in range(4)])\n"
        "def data(data_dir):\n    return mtnas.Data(Ones(), Ones())\n"
    )
    told = checked(path)
    assert told["trees"] > 10**40 and told["architectures"] > told["trees"]
    assert f"about 10^{len(str(told['trees'])) - 1}." in call("check", path).out


# What does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("nn.ReLU(), nn.Linear(10, WIDTH), nn.Tanh()", "nn.ReLU()", ["block 'first', option 'wide'", "(6,)", "(10,)"]),
        ("        return self.x[index], {", "        return {}[index], {", ["the valid data", "KeyError", "--verbose"]),
        ("startup=4", "startup=4, budgets={'params': 3}", ["params <= 3", "smallest reachable params is"]),
        ("startup=4", "startup=4, objectives=['error/totl']", ["error/totl", "did you mean 'error/total'"]),
        ("startup=4", "startup=1", ["startup must be at least 2"]),
        ('            "total": x', '            "sum": x', ["no label 'total'", "the valid data"]),
        ("threads=1, device", "threads=1.5, device", ["threads", "whole number"]),
    ],
)
def test_what_does_not_fit_is_one_sentence(old: str, new: str, parts: list[str], tmp_path: Path) -> None:
    path = changed(tmp_path, old, new)
    for more in ([], ["--json"]):
        outcome = call("check", path, *more)
        refused(outcome, *parts)
        assert outcome.out == ""


def test_every_split_is_looked_at(tmp_path: Path) -> None:
    for split, arguments in (("train", "0, 200"), ("test", "260, 40")):
        path = changed(tmp_path, f"Numbers({arguments})", f"Short({arguments})")
        path.write_text(
            path.read_text()
            + "\n\nclass Short(Numbers):\n    def __getitem__(self, index):\n"
            + "        x, labels = super().__getitem__(index)\n        return x[:5], labels\n"
        )
        sentence = refused(call("check", path), f"the {split} data has inputs of shape (5,)")
        assert "(12,)" in sentence


def test_a_task_without_labels_to_judge_it_is_told(tmp_path: Path) -> None:
    path = changed(tmp_path, "Numbers(200, 60)", "Unlabelled(200, 60)")
    path.write_text(
        path.read_text()
        + "\n\nclass Unlabelled(Numbers):\n    def __getitem__(self, index):\n"
        + "        x, labels = super().__getitem__(index)\n"
        + "        return x, {**labels, 'total': labels['total'] * torch.nan}\n"
    )
    refused(call("check", path), "task 'total' has no labelled sample in the valid data")


def test_no_file_and_no_space_are_told(tmp_path: Path) -> None:
    refused(call("check", tmp_path / "nowhere.py"), "there is no space file")
    (tmp_path / "empty.py").write_text("")
    refused(call("check", tmp_path / "empty.py"), "must define space = SearchSpace")


def test_what_a_space_file_prints_does_not_get_among_the_json(tmp_path: Path) -> None:
    path = changed(tmp_path, "    return Data(", "    print('reading data')\n    return Data(")
    outcome = call("check", path, "--json")
    assert json.loads(outcome.out)["trees"] and "reading data" in outcome.err
    assert "reading data" in call("check", path).out


def test_corners_have_the_names_that_results_have() -> None:
    told = checked(TOY_FILE)
    found = toy_space.space.dry_run(toy_space.data(None).example()[0])
    assert list(told["corners"]) == list(corners(toy_space.space.architectures, found.costs))


STRANGE = """class Strange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


def wide("""


def strange_file(folder: Path, **settings: Any) -> Path:
    """The toy file with an operator that no ONNX file can have, in three blocks."""
    path = folder / "strange.py"
    text = TEXT.replace("def wide(", STRANGE).replace("nn.Tanh()", "Strange()")
    more = "".join(f", {name}={value!r}" for name, value in settings.items())
    path.write_text(text.replace("SearchSettings(evaluations=12", f"SearchSettings(evaluations=12{more}"))
    return path


WITHOUT_FORM = "block 'first', option 'wide': the module 3 (Strange) has no ONNX form: "


@pytest.mark.parametrize(
    ("settings", "options", "use"),
    [
        ({"budgets": {"latency_ms": 1.0}}, (), "latency_ms is measured on onnxruntime"),
        ({"precisions": ((32, 32), (8, 8))}, (), "integers are those of ONNX files"),
        ({}, ("--int8",), "integers are those of ONNX files"),
        ({}, ("--objective", "error/mean", "--objective", "latency_ms"), "latency_ms is measured on onnxruntime"),
    ],
)
def test_modules_that_the_search_s_files_cannot_have_are_told_before_training(
    settings: dict[str, Any], options: tuple[str, ...], use: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    path, run = strange_file(tmp_path, **settings), tmp_path / "run"
    commands: list[tuple[Any, ...]] = [("run", path, "--run", run, *options)]
    if not options:
        commands += [("check", path), ("train", path, "--run", run)]
    for command in commands:
        told = refused(call(*command), WITHOUT_FORM, "bessel_j0", use, "put another module in its place")
        assert "\n" not in told
    assert not (run / "manifest.json").exists()


def test_a_search_that_needs_no_files_is_only_remarked_on(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = [text for text in checked(strange_file(tmp_path))["remarks"] if "ONNX" in text]
    assert len(found) == 3 and found[0].startswith(WITHOUT_FORM) and "networks with it cannot be exported" in found[0]
    assert not [text for text in checked(TOY_FILE)["remarks"] if "ONNX" in text]

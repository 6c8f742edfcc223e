"""The supernetwork: candidates cut out of it equal their paths in it, and branch points do what their formulas say."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cloudpickle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from toys import draws, toy_labels, toy_space, toy_x

from mtnas.architecture import Architecture, Candidate, QuantizationPolicy, Tree
from mtnas.errors import ArchitectureError
from mtnas.space.block import Block
from mtnas.space.file import load_space_file
from mtnas.space.search_space import SearchSpace
from mtnas.space.shapes import Input, head_of
from mtnas.space.task_types import regression
from mtnas.supernet import PortableSupernet, SuperNetwork
from mtnas.training.loss import task_losses, weighted_sum

ROOT = Path(__file__).parents[1]
BESIDE = ROOT.parent / "shared" / "data"
DATA_DIR = Path(os.environ["MTNAS_DATA"]) if os.environ.get("MTNAS_DATA") else BESIDE if BESIDE.is_dir() else None
FILES = sorted((ROOT / "search_spaces").glob("*.py"))

seeds = st.integers(0, 2**32)
Node = tuple[int, int, str]
"""(block, leader, option)."""


@pytest.fixture(scope="module")
def supernet(space: SearchSpace) -> SuperNetwork:
    """With batch-norm statistics that differ from node to node, as after training."""
    supernet = SuperNetwork(space, toy_x(4))
    stir(supernet)
    return supernet


def stir(supernet: SuperNetwork) -> None:
    """Give batch norms statistics and weights of their own."""
    g = torch.Generator().manual_seed(0)
    for module in supernet.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=g))
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=g))
            module.weight.data.copy_(0.5 + torch.rand(module.weight.shape, generator=g))


def nodes_of(architecture: Architecture) -> list[Node]:
    return [(block, group[0], option) for block, group, option in architecture.nodes()]


def every_node(supernet: SuperNetwork) -> Iterator[tuple[Node, nn.Module]]:
    for index, block in enumerate(supernet.space.architectures.blocks):
        copies = supernet.blocks[index]
        assert isinstance(copies, nn.ModuleList)
        for leader in range(len(copies)):
            for option in block.options:
                yield (index, leader, option), supernet.node(index, leader, option)


def storages(module: nn.Module) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert list(one) == list(other)
    for name, output in one.items():
        assert output.shape == other[name].shape
        assert float((output - other[name]).abs().max()) < tolerance, name


# Extraction ------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(seed=seeds, training=st.booleans())
def test_what_is_extracted_equals_its_path_and_shares_nothing(
    space: SearchSpace, supernet: SuperNetwork, seed: int, training: bool
) -> None:
    (architecture,) = draws(space, 1, seed)
    supernet.train(training)
    network = supernet.extract(architecture if seed % 2 else Candidate(architecture))
    assert network.architecture == architecture
    assert not storages(network) & storages(supernet)
    x = toy_x(9, seed)
    with torch.no_grad():
        assert_close(network(x), supernet(x, architecture))
        # Statistics that the forward pass left behind are the same, too.
        state = supernet.view(architecture).state_dict()
        assert state.keys() == network.state_dict().keys()
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(tensor, state[name])


def test_training_what_was_extracted_leaves_the_supernetwork_alone(space: SearchSpace, supernet: SuperNetwork) -> None:
    supernet.train()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    network = supernet.extract(Architecture.uniform(Tree.shared(3, 3), ("linear", "wide", "linear")))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    weighted_sum(space.tasks, task_losses(space.tasks, network(toy_x(9)), toy_labels(toy_x(9)))).backward()
    optimizer.step()
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())
    assert all(parameter.grad is None for parameter in supernet.parameters())
    # A view is the supernetwork itself.
    view = supernet.view(network.architecture)
    assert storages(view) <= storages(supernet)


def test_a_quantized_candidate_is_not_extracted_as_a_float_one(space: SearchSpace, supernet: SuperNetwork) -> None:
    (architecture,) = draws(space, 1)
    candidate = Candidate(architecture, QuantizationPolicy.of({(0, 0): (8, 8)}))
    with pytest.raises(ArchitectureError, match=f"candidate {candidate.id} has a quantization policy"):
        supernet.extract(candidate)
    with pytest.raises(ArchitectureError, match="3 tasks and 2 blocks, but the space has 3 and 3"):
        supernet.view(Architecture.uniform(Tree.shared(3, 2), ("linear",) * 2))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_candidates_of_shipped_spaces_are_extracted_exactly_and_cost_what_the_table_says(path: Path) -> None:
    if DATA_DIR is None and path.stem not in ("digits", "vit_digits"):
        pytest.skip("needs data files: name their directory in MTNAS_DATA")
    file = load_space_file(path)
    x = head_of(file.data(DATA_DIR).example()[0], 2)
    supernet = SuperNetwork(file.space, x).eval()
    stir(supernet)
    owned = storages(supernet)
    architectures, table = file.space.architectures, supernet.found.costs
    for index, architecture in enumerate(draws(file.space, 100)):
        network = supernet.extract(architecture)
        assert not storages(network) & owned
        with torch.no_grad():
            assert_close(network(x), supernet(x, architecture))
        if index % 5 == 0:
            counted = {"params": sum(p.numel() for p in network.parameters()), "macs": macs_of(network, head_of(x, 1))}
            assert counted == table.of(architectures, architecture)


def macs_of(network: nn.Module, x: Input) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x)
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


# One forward -----------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(seed=seeds, wanted=st.sets(st.integers(0, 2), min_size=1))
def test_every_node_is_computed_once_and_only_those_that_are_used(
    space: SearchSpace, supernet: SuperNetwork, seed: int, wanted: set[int]
) -> None:
    supernet.eval()
    (architecture,) = draws(space, 1, seed)
    calls: Counter[Node] = Counter()

    def counting(node: Node) -> Callable[..., None]:
        return lambda *_: calls.update([node])

    handles = [module.register_forward_hook(counting(node)) for node, module in every_node(supernet)]
    try:
        with torch.no_grad():
            full = supernet(toy_x(5), architecture)
            everything = Counter(calls)
            calls.clear()
            some = supernet.view(architecture, wanted)(toy_x(5))
    finally:
        for handle in handles:
            handle.remove()
    assert everything == Counter(nodes_of(architecture)) and everything.total() == architecture.tree.node_count
    used = {(block, *step) for task in wanted for block, step in enumerate(architecture.path(task))}
    assert calls == Counter(used)
    assert set(some) == {space.tasks[task].name for task in wanted}
    assert all(torch.equal(output, full[name]) for name, output in some.items())


def test_outputs_come_in_the_order_of_the_tasks_whatever_the_tree(space: SearchSpace, supernet: SuperNetwork) -> None:
    for tree in space.architectures.trees():
        outputs = supernet(toy_x(5), Architecture.uniform(tree, ("linear", "wide", "linear")))
        assert list(outputs) == [task.name for task in space.tasks]


def test_a_task_does_not_depend_on_the_nodes_of_others(space: SearchSpace, supernet: SuperNetwork) -> None:
    """Two architectures that agree on a task's path give it the same output."""
    supernet.eval()
    outputs: dict[object, Tensor] = {}
    met = 0
    for architecture in draws(space, 60):
        with torch.no_grad():
            result = supernet(toy_x(5), architecture)
        for index, task in enumerate(space.tasks):
            key = (index, architecture.path(index))
            met += key in outputs
            assert torch.equal(outputs.setdefault(key, result[task.name]), result[task.name])
    assert met > 10


@pytest.mark.parametrize("names", [("a_b", "c", "a", "b_c"), ("type", "values", "training", "forward")])
def test_tasks_of_any_name_have_their_own_nodes_and_heads(names: tuple[str, ...]) -> None:
    space = toy_space(tasks=[regression(name) for name in names])
    supernet = SuperNetwork(space, toy_x(4)).eval()
    stir(supernet)
    tree = Tree.from_groups([[[0, 1], [2, 3]]] * 3)
    architecture = Architecture.uniform(tree, ("linear", "wide", "linear"))
    with torch.no_grad():
        outputs = supernet.extract(architecture)(toy_x(5))
        assert set(outputs) == set(names)
        for index, name in enumerate(names):
            assert torch.equal(outputs[name], along_path(supernet, architecture, index, toy_x(5)))


def test_blocks_of_any_name_have_their_own_nodes() -> None:
    first, last = Block("e", toy_space().blocks[0].options), Block("e__f", toy_space().blocks[2].options)
    space = SearchSpace([regression("f__g"), regression("g")], [first, last])
    supernet = SuperNetwork(space, toy_x(4)).eval()
    architecture = Architecture.uniform(Tree.split(2, 2), ("linear", "wide"))
    with torch.no_grad():
        outputs = supernet(toy_x(5), architecture)
        for index, task in enumerate(space.tasks):
            assert torch.equal(outputs[task.name], along_path(supernet, architecture, index, toy_x(5)))


def along_path(supernet: SuperNetwork, architecture: Architecture, task: int, x: Input) -> Tensor:
    """Output of one task, module by module."""
    value: Tensor = supernet.stem(x)
    for block, (leader, option) in enumerate(architecture.path(task)):
        value = supernet.node(block, leader, option)(value)
    output: Tensor = supernet.head(task)(value)
    return output


def test_initial_weights_follow_the_seed_and_every_copy_has_its_own(space: SearchSpace) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same, other = (SuperNetwork(space, toy_x(4), seed).state_dict() for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    weights = [name for name in one if name.startswith("blocks") and name.endswith("0.weight")]
    assert weights and not any(torch.equal(one[name], other[name]) for name in weights)
    assert len({one[name].numpy().tobytes() for name in weights}) == len(weights)


def test_a_block_has_copies_for_the_tasks_that_can_lead_there() -> None:
    space = toy_space(branching=(False, True, False))
    supernet = SuperNetwork(space, toy_x(4))
    assert [len(copies) for copies in supernet.blocks] == [1, 3, 3]  # type: ignore[arg-type]
    for architecture in space.architectures.architectures():
        supernet.view(architecture)


def test_spreading_makes_every_copy_the_first(space: SearchSpace) -> None:
    supernet = SuperNetwork(space, toy_x(4))
    stir(supernet)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    supernet.spread_first_copy()
    state = supernet.state_dict()
    for name, tensor in state.items():
        if name.startswith("blocks."):
            _, block, _, rest = name.split(".", 3)
            assert torch.equal(tensor, before[f"blocks.{block}.0.{rest}"]), name
    # Equal, but not the same: from here on they move apart.
    parameters = list(supernet.parameters())
    assert len({parameter.untyped_storage().data_ptr() for parameter in parameters}) == len(parameters)
    branched, shared = (
        Architecture.uniform(tree, ("linear", "wide", "linear")) for tree in (Tree.split(3, 3), Tree.shared(3, 3))
    )
    supernet.eval()
    with torch.no_grad():
        assert_close(supernet(toy_x(5), branched), supernet(toy_x(5), shared), 1e-7)


# Gradients -------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(seed=seeds, average=st.booleans(), with_stem=st.booleans())
def test_a_shared_node_sees_the_mean_of_its_tasks_gradients(seed: int, average: bool, with_stem: bool) -> None:
    space = toy_space(stem=with_stem)
    supernet = SuperNetwork(space, toy_x(4)).train()
    (architecture,) = draws(space, 1, seed)
    x = toy_x(9, seed)
    labels = toy_labels(x)
    network = supernet.view(architecture, average_gradients=average)
    total = weighted_sum(space.tasks, task_losses(space.tasks, network(x), labels))
    assert total is not None
    total.backward()

    expected = {parameter: torch.zeros_like(parameter) for parameter in supernet.parameters()}
    for index, task in enumerate(space.tasks):
        loss = task.loss_on(along_path(supernet, architecture, index, x), labels[task.name])
        assert loss is not None
        groups = [(supernet.stem, 3), (supernet.head(index), 1)]
        for block, (leader, option) in enumerate(architecture.path(index)):
            sharing = architecture.tree.leaders[block].count(leader)
            groups.append((supernet.node(block, leader, option), sharing))
        owned = [(parameter, sharing) for module, sharing in groups for parameter in module.parameters()]
        gradients = torch.autograd.grad(loss, [parameter for parameter, _ in owned])
        for (parameter, sharing), gradient in zip(owned, gradients, strict=True):
            expected[parameter] += gradient / sharing if average else gradient
    for parameter, gradient in expected.items():
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-6)


def test_a_view_of_some_tasks_takes_their_mean_alone(space: SearchSpace, supernet: SuperNetwork) -> None:
    """Two of three tasks share a node: it sees the mean of two gradients."""
    supernet.eval()
    architecture = Architecture.uniform(Tree.shared(3, 3), ("linear",) * 3)
    weight = next(supernet.node(0, 0, "linear").parameters())
    single = []
    for task in (1, 2):
        output = along_path(supernet, architecture, task, toy_x(5))
        single.append(torch.autograd.grad(output.sum(), weight)[0])
    outputs = supernet.view(architecture, (1, 2))(toy_x(5))
    (both,) = torch.autograd.grad(sum(output.sum() for output in outputs.values()), weight)
    torch.testing.assert_close(both, (single[0] + single[1]) / 2)


class Doubled(SuperNetwork):
    """A class of somebody's own."""

    def forward(self, x: Input, architecture: Architecture) -> dict[str, Tensor]:
        return {name: 2 * output for name, output in super().forward(x, architecture).items()}


def test_a_supernetwork_of_an_own_class_is_that_in_another_process_too() -> None:
    space, x = toy_space(), toy_x(4)
    supernet = Doubled(space, x, seed=3).eval()
    portable = pickle.loads(cloudpickle.dumps(PortableSupernet(supernet)))
    assert portable.travelled
    architecture = next(draws(space, 1))
    with torch.no_grad():
        here, there = supernet(x, architecture), portable.get(torch.device("cpu"))(x, architecture)
    for name, output in here.items():
        assert torch.equal(output, there[name])

"""Trees in the language of Graphviz."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import plain_space

from mtnas.architecture import (
    Architecture,
    ArchitectureSpace,
    BlockChoices,
    QuantizationPolicy,
    Tree,
    to_dot,
    to_graph,
)

QUOTED = r'"((?:[^"\\]|\\.)*)"'


def unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


@given(seed=st.integers(0, 1000))
def test_it_has_the_nodes_and_edges_of_the_graph(seed: int) -> None:
    space = plain_space((True, False, True), (2, 1, 3), 4)
    architecture = space.draw(random.Random(seed))
    graph, text = to_graph(space, architecture), to_dot(space, architecture)
    nodes = re.findall(rf"^  {QUOTED} \[label={QUOTED}\];$", text, re.MULTILINE)
    edges = re.findall(rf"^  {QUOTED} -> {QUOTED};$", text, re.MULTILINE)
    assert [unquoted(node) for node, _ in nodes] == list(graph)
    assert [(unquoted(above), unquoted(below)) for above, below in edges] == list(graph.edges)
    for (node, label), values in zip(nodes, graph.nodes.values(), strict=True):
        assert values["kind"] != "block" or label == f"{values['block']}\\n{values['option']}", node


def test_any_name_is_quoted() -> None:
    space = ArchitectureSpace(('say "a"', "b\\n"), (BlockChoices("x; y", ("->",)),))
    text = to_dot(space, Architecture(Tree.split(2, 1), (("->", "->"),)))
    assert '"head/say \\"a\\""' in text and '"head/b\\\\n"' in text
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("needs Graphviz to draw it; its text was looked at")
    drawn = subprocess.run([dot, "-Tplain"], input=text, capture_output=True, text=True, check=True).stdout
    assert drawn.count("\nnode ") == 5


def test_bits_are_told_where_a_node_is_not_float() -> None:
    space = plain_space((True, True), (1, 1), 2)
    architecture = Architecture(Tree.split(2, 2), (("o0", "o0"), ("o0", "o0")))
    text = to_dot(space, architecture, QuantizationPolicy.of({(1, 1): (8, 8)}))
    assert re.findall(r'"(\S+)" \[label="\S+\\no0\\nW8A8"\]', text) == ["b1/b"]
    assert text.count("W8A8") == 1


def test_graphviz_and_networkx_take_it_alike() -> None:
    space = plain_space((True, True, True), (2, 2, 2), 4)
    architecture = space.draw(random.Random(3))
    graph = to_graph(space, architecture)
    assert nx.is_arborescence(graph) and [n for n in graph if not graph.out_degree(n)] == [
        f"head/{task}" for task in space.tasks
    ]
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("needs Graphviz to draw it")
    text = to_dot(space, architecture, QuantizationPolicy.of({(0, 0): (8, 8)}))
    drawn = subprocess.run([dot, "-Tjson"], input=text, capture_output=True, text=True, check=True).stdout
    found = json.loads(drawn)
    names = [one["name"] for one in found["objects"]]
    assert names == list(graph)
    assert {(names[edge["tail"]], names[edge["head"]]) for edge in found["edges"]} == set(graph.edges)

"""What blood can pass, on networks small enough to be read."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.worlds.octa.anatomy._contact import incidence
from chiasm.worlds.octa.anatomy._passage import passable


def passed(edges: list[tuple[int, int]], sources: list[int], gone: tuple[int, ...] = ()) -> list[bool]:
    ends = np.array(edges, np.int64).reshape(-1, 2)
    n = int(ends.max(initial=0)) + 1
    source, lost = np.zeros(n, np.bool_), np.zeros(len(ends), np.bool_)
    source[[s for s in sources if s < n]] = True
    lost[list(gone)] = True
    return passable(ends, lost, source, *incidence(ends, n)).tolist()


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        pytest.param([(0, 2), (2, 1)], [True, True], id="a way from one source to another"),
        pytest.param([(0, 2), (2, 1), (2, 3)], [True, True, False], id="a blind end"),
        pytest.param(
            [(0, 2), (2, 1), (2, 3), (3, 4), (4, 5), (5, 3)], [True] * 2 + [False] * 4, id="a mesh on a stalk"
        ),
        pytest.param([(0, 2), (2, 1), (3, 4), (4, 5), (5, 3)], [True] * 2 + [False] * 3, id="an island"),
        pytest.param([(0, 2), (2, 3), (3, 2), (2, 1)], [True] * 4, id="two vessels between the same ends"),
        pytest.param([(0, 2), (2, 3), (3, 0)], [True] * 3, id="out of a source and back to it"),
        pytest.param([(0, 2), (2, 3), (2, 3)], [False] * 3, id="a pair of vessels behind one"),
    ],
)
def test_blood_passes_what_has_a_way_in_and_another_out(edges: list[tuple[int, int]], expected: list[bool]) -> None:
    assert passed(edges, [0, 1]) == expected


def test_what_is_gone_is_no_way() -> None:
    assert passed([(0, 2), (2, 1), (0, 3), (3, 1)], [0, 1], gone=(1,)) == [False, False, True, True]


def test_nothing_is_passed_without_a_source() -> None:
    assert passed([(0, 1), (1, 2), (2, 0)], []) == [False] * 3


@given(
    st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda e: e[0] != e[1]), max_size=30, unique=True)
)
def test_it_is_what_bridges_say(edges: list[tuple[int, int]]) -> None:
    edges = [(a, b) for a, b in edges if (b, a) not in edges]
    merged = nx.Graph()
    merged.add_node(0)
    parallel = [tuple(sorted((max(a - 3, 0), max(b - 3, 0)))) for a, b in edges]  # nodes 0 to 3 are the sources
    merged.add_edges_from(e for e in parallel if e[0] != e[1])
    merged.remove_edges_from([e for e in nx.bridges(merged) if parallel.count(tuple(sorted(e))) == 1])
    reached = nx.node_connected_component(merged, 0)
    expected = [a == b == 0 or (merged.has_edge(a, b) and a in reached) for a, b in parallel]
    assert passed(edges, [0, 1, 2, 3]) == expected

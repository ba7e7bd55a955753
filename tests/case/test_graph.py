import networkx as nx
import numpy as np
import pytest

from chiasm.case import Vessel, VesselGraph
from chiasm.errors import InvalidInput


def test_lengths_and_degrees_follow_the_geometry(graph: VesselGraph) -> None:
    assert graph.length_um[0] == pytest.approx(900.0)
    assert graph.degree.tolist() == [1, 3, 1, 1]


def test_networkx_export_carries_names_and_direction(graph: VesselGraph) -> None:
    exported = graph.to_networkx()
    assert isinstance(exported, nx.MultiDiGraph)
    assert list(exported.predecessors(1)) == [0]
    data = exported.get_edge_data(0, 1)[10]
    assert (data["vessel"], data["layer"], data["radius_um"]) == ("artery", "svc", 12.0)
    assert exported.nodes[2]["kind"] == "tip"


def test_select_keeps_identity(graph: VesselGraph) -> None:
    kept = graph.select(graph.vessel == Vessel.ARTERY)
    assert kept.edge_id.tolist() == [10, 4]
    assert kept.n_nodes == graph.n_nodes


def test_arrays_are_read_only(graph: VesselGraph) -> None:
    with pytest.raises(ValueError, match="read-only"):
        graph.radius_um[0] = 1.0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("radius_um", [1.0, -3.0, 1.0], "must be > 0 um, got -3.0 at edge 1"),
        ("radius_um", [1.0, np.nan, 1.0], "must be > 0 um"),
        ("radius_um", [1.0], "must have shape"),
        ("edges", [[0, 1], [1, 2], [1, 9]], "must index nodes"),
        ("edge_id", [1, 1, 2], "must be unique"),
        ("vessel", [1, 1, 99], "known:"),
        ("position_um", [[0, 0, 0], [1, 1, np.inf], [0, 1, 0], [2, 2, 2]], "node 1 is not"),
        ("fov_um", 0.0, "fov_um must be > 0"),
    ],
)
def test_impossible_graphs_are_refused(graph: VesselGraph, field: str, value: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        graph.evolve(**{field: np.array(value) if isinstance(value, list) else value})


def test_tables_of_another_schema_are_refused(graph: VesselGraph) -> None:
    nodes, edges = graph.to_tables()
    with pytest.raises(InvalidInput, match="schema must be 1, got None"):
        VesselGraph.from_tables(nodes, edges.replace_schema_metadata(None))
    with pytest.raises(InvalidInput, match="lacks the column"):
        VesselGraph.from_tables(nodes, edges.drop_columns(["radius_um"]))

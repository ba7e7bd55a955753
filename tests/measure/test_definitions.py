"""The registry and its table in the documentation."""

from pathlib import Path

import pytest

from chiasm.case import UNITS
from chiasm.errors import UnknownName
from chiasm.measure import DEFINITIONS, IMAGE_LIMITS, definition, definitions_table

PAGE = Path(__file__).parents[2] / "docs" / "biomarkers.md"


def test_every_biomarker_says_definition_unit_source_and_limit() -> None:
    for entry in DEFINITIONS.values():
        assert entry.unit in UNITS
        assert entry.title
        assert entry.definition.endswith(".")
        assert entry.source
        assert entry.cannot


def test_documentation_holds_the_table_of_the_registry() -> None:
    text = PAGE.read_text()
    assert definitions_table() in text, "docs/biomarkers.md is stale: paste the output of definitions_table()"
    for limit in IMAGE_LIMITS:
        assert limit in text


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'faz_area'"):
        definition("fazarea")

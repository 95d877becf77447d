"""The examples of the OpenLineage specification, one file for each facet: read, or kept as they came."""

import json
from pathlib import Path
from typing import Any

import pytest

from knowledge.ingest.openlineage import translate

EXAMPLES = Path(__file__).parents[4] / "shared" / "data" / "openlineage" / "ol" / "spec" / "tests"
PLACES = {"RunFacet": "run", "JobFacet": "job", "InputDatasetFacet": "input", "OutputDatasetFacet": "output"}


@pytest.mark.skipif(
    not EXAMPLES.exists(), reason=f"{EXAMPLES} is not there; it holds the examples of the specification"
)
def test_every_facet_of_the_specification_is_taken_where_it_belongs() -> None:
    files = sorted(EXAMPLES.glob("*Facet/*.json"))
    assert len(files) > 40
    kept = 0
    for path in files:
        facets = json.loads(path.read_text())
        usual = "job" if "entries" in facets.get("lineage", {}) else "dataset"
        place = next((place for end, place in PLACES.items() if path.parent.name.endswith(end)), usual)
        read = translate(_event(place, facets))
        assert read.left_out == (), path
        assert all(json.loads(one.body) == facets[one.name] for one in read.kept), path
        assert read.kept or _says_more(place, facets), path
        kept += len(read.kept)
    assert kept > 15


def _event(place: str, facets: dict[str, Any]) -> dict[str, Any]:
    def here(*names: str) -> dict[str, Any]:
        return facets if place in names else {}

    dataset = {"namespace": "f", "name": "t"}
    return {
        "eventTime": "2013-05-04T00:00:00Z",
        "run": {"runId": "r", "facets": here("run")},
        "job": {"namespace": "f", "name": "j", "facets": here("job")},
        "inputs": [{**dataset, "inputFacets": here("input")}],
        "outputs": [{**dataset, "facets": here("dataset"), "outputFacets": here("output")}],
    }


def _says_more(place: str, facets: dict[str, Any]) -> bool:
    """Whether more comes of the event with these facets than without, or it names what is never kept in the open."""
    with_them, without = translate(_event(place, facets)), translate(_event(place, {}))
    return with_them != without

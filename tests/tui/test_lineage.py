"""The walked lineage on the screen: place by place, by keys alone."""

import pytest

from assistant.wire import Finding, ToolAnswered
from tests.tools.examples import EXAMPLES
from tests.tui import incident
from tests.tui.server import Incident
from tests.tui.test_screen import SMALL, flat, opened, text, until
from tools.lineage_walk import TOOL
from tui.screens.lineage import LineageDialog
from tui.widgets.places import chart, depths, details, line

PLACE = {
    "node": "raw",
    "column": "wind",
    "state": "as usual",
    "anomaly": None,
    "column_off": None,
    "p_value": 0.4,
    "onset": None,
    "why": None,
    "probability": None,
    "runs": 3,
    "history": 40,
    "inputs": [],
    "figure": "mean",
    "series": [
        {"ts": f"2013-05-0{d}T06:00:00Z", "value": v, "usual": "NaN"} for d, v in ((1, 1.0), (2, "NaN"), (3, 2))
    ],
}


def walked() -> Finding:
    """The finding of the real tool on its example."""
    params, ports = EXAMPLES["lineage_walk"]()
    assert isinstance(params, TOOL.params)
    return TOOL.run(params, ports)


@pytest.mark.parametrize("size", [(120, 40), SMALL])
async def test_the_lineage_is_walked_by_keys(size: tuple[int, int]) -> None:
    state = Incident()
    found = walked()
    places = (found.result or {})["walked"]
    state.events[2:3] = incident.numbered([{"type": ToolAnswered, "step": "isolate", "finding": found}], 2)
    async with opened(state, size) as pilot:
        await pilot.press("l")
        await until(pilot, lambda: isinstance(pilot.app.screen, LineageDialog))
        await until(pilot, lambda: f"{places[0]['node']}" in text(pilot))
        await pilot.press("right")
        above = places[0]["inputs"][0]
        await until(pilot, lambda: f"goes into: {places[0]['node']}" in flat(pilot) and above[0] in text(pilot))
        await pilot.press("left", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, LineageDialog))


async def test_without_a_walk_the_key_does_nothing() -> None:
    async with opened(Incident()) as pilot:
        await pilot.press("l")
        await pilot.pause(0.1)
        assert not isinstance(pilot.app.screen, LineageDialog)


def test_a_place_in_words() -> None:
    below = {**PLACE, "node": "joined", "inputs": [["raw", "wind"]], "state": "off", "anomaly": "nulls"}
    below |= {"onset": "2013-05-02T06:00:00Z", "column_off": "wind", "probability": 0.913}
    assert depths([below, PLACE]) == [0, 1]
    assert line(below, 0).plain == "! joined.wind  root with 91%"
    said = "\n".join(part.plain for part in details(below, [below, PLACE]))
    assert "off: nulls of wind since 2013-05-02 06:00 UTC" in said
    assert "made from: raw.wind" in said
    drawn = chart(below)
    assert drawn is not None
    assert (drawn.mark, len(drawn.values)) == (1, 3)
    blind = {
        **PLACE,
        "state": "not checked",
        "why": "it has no statistics in the window",
        "series": [],
        "p_value": None,
    }
    assert chart(blind) is None
    assert "not checked: it has no statistics" in "\n".join(part.plain for part in details(blind, [blind]))

"""The places of a walk through the lineage in words: a line for each, and all that is known of one."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textual.content import Content

from assistant.wire import Chart
from tui.widgets.figures import figure

Place = Mapping[str, Any]
"""A row of `walked` in the finding of `lineage_walk`: node, column, state, inputs, series and so on."""

_MARKS = {
    "off": ("!", "$text-warning"),
    "may be off": ("~", "$text-warning"),
    "as usual": ("-", "$text-success"),
    "not checked": ("?", "$quiet"),
}


def title(node: str, column: str | None) -> str:
    """A dataset, with its column where one is meant."""
    return f"{node}.{column}" if column else node


def line(place: Place, depth: int) -> Content:
    """The mark and the name of a place, the further in the further upstream; with its probability of being the root."""
    mark, colour = _MARKS[place["state"]]
    chance = place.get("probability")
    sure = f"  root with {float(chance):.0%}" if chance is not None else ""
    name = title(place["node"], place["column"])
    return Content.assemble((mark, colour), f" {'  ' * depth}{name}", (sure, "$text-warning"))


def depths(places: Sequence[Place]) -> list[int]:
    """How many steps each place is from where the walk began, which is the first."""
    found = {_key(places[0]): 0} if places else {}
    for place in places:  # breadth first: whoever leads to a place stands before it
        for above in place["inputs"]:
            found.setdefault((above[0], above[1]), found.get(_key(place), 0) + 1)
    return [found.get(_key(place), 0) for place in places]


def details(place: Place, places: Sequence[Place]) -> Iterator[Content]:
    """What is off there and since when, over how many runs, and its neighbours."""
    yield Content.styled(title(place["node"], place["column"]), "bold")
    yield Content(_state(place))
    p = place.get("p_value")
    checked = f", p {figure(float(p))}" if p is not None else ""
    yield Content.styled(f"{place['runs']} runs in the window, {place['history']} before it{checked}", "$quiet")
    above = [title(node, column) for node, column in place["inputs"]]
    below = [
        title(p["node"], p["column"]) for p in places if [place["node"], place["column"]] in map(list, p["inputs"])
    ]
    yield Content(f"made from: {', '.join(above) or 'nothing that was walked'}")
    yield Content(f"goes into: {', '.join(below) or 'what the walk began at'}")


def _state(place: Place) -> str:
    if place["state"] == "not checked":
        return f"not checked: {place['why']}"
    if place["anomaly"] is None:
        return "as usual"
    since = f" since {place['onset'][:16].replace('T', ' ')} UTC" if place["onset"] else ""
    column = f" of {place['column_off']}" if place["column_off"] else ""
    return f"{place['state']}: {place['anomaly']}{column}{since}"


def chart(place: Place) -> Chart | None:
    """The figure of a place run by run, with a mark where it began to be off; None where it has none."""
    series = place["series"]
    if not series:
        return None
    onset = place["onset"]
    mark = next((i for i, run in enumerate(series) if onset and run["ts"] >= onset), None)
    usual = [float(run["usual"]) for run in series if not math.isnan(float(run["usual"]))]
    name = f"{place['figure']}, usually {figure(usual[-1])}" if usual else str(place["figure"])
    values = tuple(float(run["value"]) for run in series)
    return Chart(title=name, values=values, labels=tuple(run["ts"][:16].replace("T", " ") for run in series), mark=mark)


def _key(place: Place) -> tuple[str, str | None]:
    return place["node"], place["column"]

"""Attribute combinations on real incidents: `python -m tests.benchmarks.robustspot [DIR]`.

DIR (default `../shared/data/robustspot`) holds `labels.yaml` and `incidents/*.csv` of the RobustSpot data set: rows of
minute × attributes with `value` (stalled viewers) and `cnt` (viewers). Each incident goes to the shipped
`model_isolation` with its shipped defaults: the metric is value / cnt, every attribute a dimension, the window runs
from the labelled start to the end of the data, the baseline is all before it.

Prints one line per label that is not ranked first, and one JSON line last. RC@k is the share of labels (an incident
may have several) that are exactly among the first k combinations of the result. The tool ranks without ties: of equal
scores the one with fewer attributes is first, then by name. Keys: `rc1`, `rc3`, `rc5`; the same for the incidents
with even numbers, on which the method was developed, and for the odd ones, which were held out; `n` labels,
`incidents`, `named` (incidents for which the tool named a combination) and `named_right` of them, and `seconds`.
"""

import csv
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml  # type: ignore[import-untyped]

from tests.tools.ports import InMemoryPorts, sorted_cube
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube, Metric, MetricRole, Product, Window

DEFAULT = Path("../shared/data/robustspot")
PRODUCT, METRIC = "live", "stalled_share"
MINUTE_S = 60
NOT_ATTRIBUTES = ("min", "value", "cnt")
RANKS = (1, 3, 5)

Combination = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Incident:
    """One incident: its points, the labelled start in unix seconds, and its true causes."""

    name: str
    cube: Cube
    start: int
    causes: tuple[Combination, ...]

    @property
    def even(self) -> bool:
        """Whether the number in its name is even."""
        found = re.search(r"\d+", self.name)
        return found is not None and int(found.group()) % 2 == 0


@dataclass(frozen=True)
class Answer:
    """For each cause of an incident its place in the ranking (0 first, None absent); what was named, if anything."""

    incident: Incident
    places: tuple[int | None, ...]
    first: Combination | None
    named: bool


def incidents(folder: Path) -> Iterator[Incident]:
    """The labelled incidents of a folder. Raises `FileNotFoundError` where it lacks a file."""
    for label in yaml.safe_load((folder / "labels.yaml").read_text(encoding="utf-8")):
        causes = label["cause"] if isinstance(label["cause"], list) else [label["cause"]]
        combinations = tuple(frozenset((str(k), str(v)) for k, v in cause.items()) for cause in causes)
        cube = _cube(folder / "incidents" / f"{label['data']}.csv")
        yield Incident(str(label["data"]), cube, int(label["timestamp"]), combinations)


def _cube(path: Path) -> Cube:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    columns = dict(zip(header, np.array(rows).T, strict=True))
    dims = {name: values for name, values in columns.items() if name not in NOT_ATTRIBUTES}
    ts = columns["min"].astype(np.float64).astype(np.int64)
    return sorted_cube(Cube(ts, dims, columns["value"].astype(np.float64), columns["cnt"].astype(np.float64)))


def answer(incident: Incident) -> Answer:
    """Ask the shipped tool about one incident."""
    metric = Metric(name=METRIC, role=MetricRole.topline, better="lower", title="share of viewers whose stream stalls")
    ports = InMemoryPorts()
    ports.metrics.products[PRODUCT] = Product(product=PRODUCT, title="live streams", metrics=(metric,))
    ports.metrics.cubes[PRODUCT, METRIC] = incident.cube
    first, last = int(incident.cube.ts.min()), int(incident.cube.ts.max())
    params = ModelIsolationParams(
        product=PRODUCT,
        metric=METRIC,
        window=_window(incident.start, last + MINUTE_S),
        baseline=_window(first, incident.start),
    )
    finding = TOOL.run(params, ports)
    rows: list[dict[str, Any]] = (finding.result or {}).get("combinations", [])
    ranked = [frozenset(row["combination"].items()) for row in rows]
    places = tuple(ranked.index(cause) if cause in ranked else None for cause in incident.causes)
    return Answer(incident, places, ranked[0] if ranked else None, finding.facts["combination"] is not None)


def _window(start: int, end: int) -> Window:
    return Window(start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC))


def score(answers: Sequence[Answer]) -> dict[str, float]:
    """RC@k over the labels of these incidents."""
    places = [place for a in answers for place in a.places]
    return {
        f"rc{k}": round(sum(p is not None and p < k for p in places) / len(places), 4) if places else float("nan")
        for k in RANKS
    }


def main(folder: Path) -> None:
    """Run all incidents of a folder and print the figures."""
    started = time.perf_counter()
    answers = [answer(incident) for incident in incidents(folder)]
    seconds = time.perf_counter() - started
    for a in answers:
        for cause, place in zip(a.incident.causes, a.places, strict=True):
            if place != 0:
                print(f"{a.incident.name}: {_text(cause)} is {_place(place)}; first is {_text(a.first)}")
    named = [a for a in answers if a.named]
    summary = {
        **score(answers),
        "even": score([a for a in answers if a.incident.even]),
        "odd": score([a for a in answers if not a.incident.even]),
        "n": sum(len(a.places) for a in answers),
        "incidents": len(answers),
        "named": len(named),
        "named_right": sum(a.first in a.incident.causes for a in named),
        "seconds": round(seconds, 2),
    }
    print(json.dumps(summary))


def _text(combination: Combination | None) -> str:
    return " & ".join(f"{k}={v}" for k, v in sorted(combination)) if combination else "nothing"


def _place(place: int | None) -> str:
    return "not ranked" if place is None else f"at place {place + 1}"


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if (chosen / "labels.yaml").is_file():
        main(chosen)
    elif len(sys.argv) > 1:
        print(f"{chosen} holds no labels.yaml: give the folder of the RobustSpot incidents", file=sys.stderr)
        sys.exit(2)
    else:
        print(json.dumps({"skipped": f"{chosen} holds no labels.yaml: give the folder of the RobustSpot incidents"}))

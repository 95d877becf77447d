"""Root causes in a graph of services: `python -m tests.benchmarks.petshop [DIR]`.

DIR (default `../shared/data/petshop`) holds incidents in the layout of PetShop (`tests/benchmarks/petshop_data.py`),
with or without `graph.csv`. Each incident goes to the shipped `lineage_walk` with its defaults: the window is all rows
of the incident, the baseline the normal rows, moved by whole days to end before it. A service counts by its place among
the candidates, of which the tool puts the likeliest first, of equal ones the one that began first, then by name.

Normal windows: the second half of the normal rows in windows as long as the incidents, each with all rows before it as
its baseline, asked of each target that the system's incidents have. A window is right where no root is named.

Prints a line per incident, and one JSON line last: `top1`, `top3`, `specificity`, and the same for each system by
`systems`; `named` incidents for which a root was named, `named_right` of them.
"""

import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.petshop_data import Incident, calls, incidents, params, ports, read, shifted
from tests.tools.ports import InMemoryLineage, InMemoryPorts
from tools.contract import Finding
from tools.lineage_walk import TOOL
from tools.records import DatasetStatistics, Window

DEFAULT = Path("../shared/data/petshop")
RANKS = (1, 3)


@dataclass(frozen=True)
class Answer:
    """The place of the cause among the candidates (0 first, None absent), and what was named."""

    incident: Incident
    place: int | None
    named: str | None


@dataclass(frozen=True)
class Target:
    """A service and the metric of it that is felt."""

    node: str
    metric: str
    statistic: str


def main(folder: Path) -> None:
    found = incidents(folder)
    if not found:
        raise SystemExit(f"no incident below {folder}: put PetShop's folders there, or name another folder")
    began = time.perf_counter()
    answers = [_answer(incident) for incident in found]
    for answer in answers:
        print(f"{answer.incident.name}: {answer.incident.cause} is at {answer.place}, named {answer.named}")
    by_system: dict[Path, list[Answer]] = {}
    for answer in answers:
        by_system.setdefault(answer.incident.system, []).append(answer)
    calm = {system: _calm(system, part) for system, part in by_system.items()}
    told = {
        "systems": {str(s.relative_to(folder)): _figures(part, calm[s]) for s, part in by_system.items()},
        **_figures(answers, [quiet for part in calm.values() for quiet in part]),
        "seconds": round(time.perf_counter() - began, 1),
    }
    print(json.dumps(told))


def _figures(answers: Sequence[Answer], calm: Sequence[bool]) -> dict[str, Any]:
    places = [answer.place for answer in answers]
    named = [answer for answer in answers if answer.named]
    return {
        **{f"top{k}": round(sum(p is not None and p < k for p in places) / len(places), 4) for k in RANKS},
        "specificity": round(sum(calm) / len(calm), 4) if calm else None,
        "incidents": len(answers),
        "windows": len(calm),
        "named": len(named),
        "named_right": sum(answer.named == answer.incident.cause for answer in named),
    }


def _answer(incident: Incident) -> Answer:
    rows = read(incident.metrics)
    times = sorted(rows)
    window = Window(start=times[0], end=times[-1] + _step(times))
    table = {**shifted(read(incident.system / "noissue" / "metrics.csv"), times[0]), **rows}
    world = ports(table, calls(incident.system), incident.node, incident.statistic)
    found = TOOL.run(params(incident.node, incident.metric, table, window), world)
    names = [candidate["node"] for candidate in (found.result or {}).get("candidates", ())]
    return Answer(incident, names.index(incident.cause) if incident.cause in names else None, _root(found))


def _root(found: Finding) -> str | None:
    root = found.facts.get("root")
    return None if root is None else str(root)


def _step(times: Sequence[datetime]) -> timedelta:
    steps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    return steps[len(steps) // 2] if steps else timedelta(minutes=5)


def _calm(system: Path, answers: Sequence[Answer]) -> list[bool]:
    """For each normal window and target, whether nothing was named."""
    table = read(system / "noissue" / "metrics.csv")
    times = sorted(table)
    length = min(len(read(answer.incident.metrics)) for answer in answers)
    targets = sorted({(a.incident.node, a.incident.metric, a.incident.statistic) for a in answers})
    quiet = []
    for target in (Target(*named) for named in targets):
        world = ports(table, calls(system), target.node, target.statistic)
        indexed = InMemoryPorts(lineage=ByNode.of(world.lineage))
        for window in _windows(times, length):
            root = _root(TOOL.run(params(target.node, target.metric, table, window), indexed))
            quiet.append(root is None)
            if root:
                print(f"{system.name}, a normal window {window}: {root} is accused of the {target.metric}")
    return quiet


def _windows(times: Sequence[datetime], length: int) -> Iterator[Window]:
    for first in range(len(times) // 2, len(times) - length + 1, length):
        last = times[first + length - 1]
        yield Window(start=times[first], end=last + _step(times))


@dataclass
class ByNode(InMemoryLineage):
    """The same lineage, with its statistics by node: hundreds of windows are asked of it."""

    by_node: dict[str, list[DatasetStatistics]] | None = None

    @classmethod
    def of(cls, lineage: InMemoryLineage) -> "ByNode":
        by_node: dict[str, list[DatasetStatistics]] = {}
        for statistics in sorted(lineage.all_statistics, key=lambda s: s.ts):
            by_node.setdefault(statistics.node, []).append(statistics)
        return cls(lineage.nodes, lineage.all_edges, by_node=by_node)

    def statistics(self, node: str, window: Window) -> Sequence[DatasetStatistics]:
        return [s for s in (self.by_node or {}).get(node, []) if window.contains(s.ts)]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)

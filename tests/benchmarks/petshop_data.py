"""Incidents in the layout of PetShop (Hardt et al. 2023), as lineage: services for datasets, their requests for rows.

A system is a folder with `noissue/metrics.csv` and, where its calls are known, `graph.csv` (1 where the service of the
row calls that of the column). Each folder below with a `target.json` is an incident. What a service calls is upstream
of it. Requests are its rows, those that were not answered the nulls of a column `availability`, and the mean of every
other metric is a column of its name. A missing number of requests is none; a missing figure says nothing.
"""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.tools.ports import InMemoryLineage, InMemoryPorts
from tools.lineage_walk import LineageWalkParams
from tools.records import ColumnStatistics, DatasetStatistics, LineageEdge, LineageNode, Window

REQUESTS, AVAILABILITY = "requests", "availability"
HEADERS = ("microservice", "metric", "statistic")

Row = dict[tuple[str, str], dict[str, float]]
"""The figures of one time: (service, metric) → statistic → value."""


@dataclass(frozen=True)
class Incident:
    """What was felt and what was behind it."""

    name: str
    system: Path
    metrics: Path
    node: str
    metric: str
    statistic: str
    cause: str


def incidents(folder: Path) -> list[Incident]:
    """All incidents below a folder, by name. Those without normal data above them are left out by the caller."""
    found = []
    for path in sorted(folder.rglob("target.json")):
        said = json.loads(path.read_text())
        target, cause = said["target"], said["root_cause"]["node"]
        system = next((p for p in path.parents if (p / "noissue" / "metrics.csv").exists()), None)
        if system is None:
            print(f"{path}: left out, for no folder above it has noissue/metrics.csv")
            continue
        name = str(path.parent.relative_to(folder))
        metrics = path.parent / "metrics.csv"
        agg = target.get("agg", "Average")
        found.append(Incident(name, system, metrics, target["node"], target["metric"], agg, cause))
    return found


def read(path: Path) -> dict[datetime, Row]:
    """A table of metrics by time; empty cells are left out."""
    table: dict[datetime, Row] = {}
    headers: dict[str, list[str]] = {}
    with path.open(newline="") as file:
        for cells in csv.reader(file):
            if cells and cells[0] in HEADERS:
                headers[cells[0]] = cells[1:]
            elif cells and _is_number(cells[0]):
                table[datetime.fromtimestamp(float(cells[0]), UTC)] = _row(headers, cells[1:])
    return table


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _row(headers: Mapping[str, list[str]], cells: list[str]) -> Row:
    row: Row = defaultdict(dict)
    for service, metric, statistic, cell in zip(*(headers[name] for name in HEADERS), cells, strict=True):
        if _is_number(cell):
            row[(service, metric)][statistic] = float(cell)
    return row


def shifted(normal: Mapping[datetime, Row], before: datetime) -> dict[datetime, Row]:
    """The normal rows moved by whole days, so that they end right before a time, at the same times of the day."""
    days = math.ceil((max(normal) - before) / timedelta(days=1))
    behind = timedelta(days=days) if max(normal) - timedelta(days=days) < before else timedelta(days=days + 1)
    return {time - behind: row for time, row in normal.items()}


def calls(system: Path) -> list[tuple[str, str]] | None:
    """(caller, called) of each known call; None where the calls are not known."""
    path = system / "graph.csv"
    if not path.exists():
        return None
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return [
        (row[0], called)
        for row in rows[1:]
        for called, cell in zip(rows[0][1:], row[1:], strict=True)
        if _is_number(cell) and float(cell) != 0
    ]


def ports(
    table: Mapping[datetime, Row], known: list[tuple[str, str]] | None, target: str, statistic: str
) -> InMemoryPorts:
    """The system as lineage. Where the calls are not known, everything may be upstream of the target."""
    services = sorted({service for row in table.values() for service, _ in row})
    edges = known if known is not None else [(target, service) for service in services if service != target]
    nodes = {name: LineageNode(node=name, kind="dataset") for name in {*services, *(n for e in edges for n in e)}}
    metrics = sorted({metric for row in table.values() for _, metric in row} - {REQUESTS})
    flows = [LineageEdge(upstream=called, downstream=caller) for caller, called in edges]
    for caller, called in edges:
        for metric in metrics:
            columns: dict[str, Any] = {"upstream_column": metric, "downstream_column": metric}
            flows.append(LineageEdge(upstream=called, downstream=caller, **columns))
    found = [s for time, row in sorted(table.items()) for s in _statistics(time, row, services, statistic)]
    return InMemoryPorts(lineage=InMemoryLineage(nodes, flows, found))


def _statistics(time: datetime, row: Row, services: list[str], statistic: str) -> Iterator[DatasetStatistics]:
    counted = any(metric == REQUESTS for _, metric in row)
    for service in services:
        metrics = {metric: found for (name, metric), found in row.items() if name == service}
        rows = _read(metrics.pop(REQUESTS, {}), "Sum") if counted else None
        rows = 0.0 if counted and rows is None else rows
        columns = {m: _column(m, _read(found, statistic), rows) for m, found in metrics.items()}
        row_count = None if rows is None else round(rows)
        yield DatasetStatistics(node=service, ts=time, row_count=row_count, columns=columns)


def _read(found: Mapping[str, float], statistic: str) -> float | None:
    return found.get(statistic, found.get("Average", next(iter(found.values()), None)))


def _column(metric: str, value: float | None, rows: float | None) -> ColumnStatistics:
    if metric != AVAILABILITY or rows is None or value is None:
        return ColumnStatistics(mean=value)
    return ColumnStatistics(null_count=round(rows * min(max(100 - value, 0.0), 100.0) / 100))


def params(node: str, metric: str, table: Mapping[datetime, Row], window: Window) -> LineageWalkParams:
    """The walk from a service, on account of one of its metrics: all before the window is its baseline."""
    column = None if metric == REQUESTS else metric
    return LineageWalkParams(
        node=node, column=column, window=window, baseline=Window(start=min(table), end=window.start)
    )

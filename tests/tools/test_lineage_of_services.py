"""lineage_walk on a small system of services, read as the benchmark `petshop` reads it: with calls and without."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.petshop import _answer, _calm
from tests.benchmarks.petshop_data import calls, incidents, read, shifted

SERVICES = ("shop", "search", "cart", "store", "mail")
CALLS = (("shop", "search"), ("shop", "cart"), ("shop", "mail"), ("search", "store"), ("cart", "store"))
REQUESTS = {"shop": 500, "search": 400, "cart": 120, "store": 520, "mail": 3}
NORMAL = datetime(2024, 3, 4, tzinfo=UTC)
ROWS = 200


def table(path: Path, first: datetime, rows: int, seed: int, fault: str | None) -> None:
    """Rows of five minutes; `fault` makes `search` slow (latency) or fail (availability) from the third row on."""
    rng = np.random.default_rng(seed)
    columns = [(s, m, a) for s in SERVICES for m, a in (("requests", "Sum"), ("latency", "Average"))]
    columns += [(s, "availability", "Average") for s in SERVICES]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        write = csv.writer(file)
        for name, part in (("microservice", 0), ("metric", 1), ("statistic", 2)):
            write.writerow([name, *(column[part] for column in columns)])
        write.writerow(["unix_timestamp", *("" for _ in columns)])
        for i in range(rows):
            broken = fault if fault and i >= 2 else None
            found = row(rng, broken)
            time = (first + timedelta(minutes=5 * i)).timestamp()
            write.writerow([time, *("" if (v := found[column[:2]]) is None else v for column in columns)])


def row(rng: np.random.Generator, broken: str | None) -> dict[tuple[str, str], float | None]:
    requests = {s: int(rng.poisson(n)) for s, n in REQUESTS.items()}
    failed = dict.fromkeys(SERVICES, 0)
    if broken == "availability":
        failed["search"] = int(rng.binomial(requests["search"], 0.06))
        failed["shop"] = min(failed["search"], requests["shop"])
    own = {s: float(np.exp(rng.normal(np.log(0.02), 0.05))) for s in SERVICES}
    own["search"] += 0.3 if broken == "latency" else 0.0
    own["shop"] += 0.6 * own["search"] + 0.2 * own["cart"]
    found: dict[tuple[str, str], float | None] = {}
    for s, n in requests.items():
        found[(s, "requests")] = n or None
        found[(s, "latency")] = own[s] if n else None
        found[(s, "availability")] = 100 * (1 - failed[s] / n) if n else None
    return found


def system(folder: Path, metric: str, graph: bool) -> Path:
    table(folder / "noissue" / "metrics.csv", NORMAL, ROWS, 0, None)
    issue = folder / "train" / "issue_0"
    table(issue / "metrics.csv", NORMAL - timedelta(days=90, hours=3), 6, 1, metric)
    target = {"node": "shop", "metric": metric, "agg": "Average", "timestamp": 0}
    (issue / "target.json").write_text(json.dumps({"target": target, "root_cause": {"node": "search"}}))
    if graph:
        with (folder / "graph.csv").open("w", newline="") as file:
            write = csv.writer(file)
            write.writerow(["", *SERVICES])
            for caller in SERVICES:
                write.writerow([caller, *(float((caller, called) in CALLS) for called in SERVICES)])
    return folder


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("metric", ["latency", "availability"])
def test_the_service_behind_an_incident_is_first(tmp_path: Path, metric: str, graph: bool) -> None:
    (incident,) = incidents(system(tmp_path, metric, graph))
    answer = _answer(incident)
    assert answer.place == 0
    assert answer.named in ("search", None)


def test_normal_windows_accuse_nobody(tmp_path: Path) -> None:
    (incident,) = incidents(system(tmp_path, "latency", graph=True))
    calm = _calm(tmp_path, [_answer(incident)])
    assert len(calm) == 16
    assert sum(calm) >= 15


def test_a_missing_number_of_requests_is_none_and_a_missing_figure_is_not_known(tmp_path: Path) -> None:
    system(tmp_path, "latency", graph=True)
    found = read(tmp_path / "noissue" / "metrics.csv")
    quiet = [r for r in found.values() if not r.get(("mail", "requests"))]
    assert quiet
    assert all(("mail", "latency") not in r for r in quiet)
    assert sorted(calls(tmp_path) or []) == sorted(CALLS)


def test_normal_rows_are_moved_by_whole_days_to_right_before(tmp_path: Path) -> None:
    rows = read(system(tmp_path, "latency", graph=False) / "noissue" / "metrics.csv")
    before = NORMAL - timedelta(days=90, hours=3)
    moved = shifted(rows, before)
    assert timedelta(0) < before - max(moved) <= timedelta(days=1)
    assert {t.time() for t in moved} == {t.time() for t in rows}
    assert shifted(rows, max(rows) + timedelta(minutes=5)) == rows

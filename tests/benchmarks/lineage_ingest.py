"""How quickly OpenLineage events come in over HTTP, and how quickly the lineage answers afterwards.

    python -m tests.benchmarks.lineage_ingest [--events 100000]

A real server on loopback takes batches of 500 gzip'd events, one after the other, and every batch is on disk before it
is answered. The events build a graph of 50,000 nodes: 25,000 jobs, each of which reads up to three datasets and writes
one, with schema, column lineage and statistics of five columns; further events are further runs of these jobs. Then
the neighbourhoods of random nodes are asked for over HTTP (two hops, both ways, up to 200 nodes). The last line is one
JSON object: `events_per_s`, `neighbourhood_ms` (the 95th percentile), `neighbourhood_ms_median`, `statistics_ms`,
`single_events_per_s` (one event a request, over eight connections), `store_mb`, and `cpu_us_per_event`: what the
server's process computes for an event of a batch, which a machine with other work to do measures better than the rest.
"""

import argparse
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

NODES, BATCH, COLUMNS, ASKED = 50_000, 500, 5, 100
_START = datetime(2026, 1, 1, tzinfo=UTC)
_SERVE = "from assistant.cli.main import main; main()"


def event(number: int, jobs: int) -> dict[str, Any]:
    """The event of this number: each job's START and then its COMPLETE, round after round."""
    job, part = divmod(number % (2 * jobs), 2)
    cycle = number // (2 * jobs)
    draw = random.Random(job)
    at = _START + timedelta(hours=6 * cycle, seconds=job / 10 + part)
    sources = sorted({draw.randrange(max(job - 500, 0), job) for _ in range(3)}) if job else []
    told: dict[str, Any] = {
        "eventType": "COMPLETE" if part else "START",
        "eventTime": at.isoformat(),
        "producer": "https://example.invalid/benchmark",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": f"{job:08x}-0000-4000-8000-{cycle:012x}",
            "facets": {
                "nominalTime": {"nominalStartTime": at.isoformat()},
                "parent": {"job": {"name": f"dag{job % 99}"}},
            },
        },
        "job": {
            "namespace": "bench",
            "name": f"job_{job}",
            "facets": {"sourceCodeLocation": {"type": "git", "url": "https://git/x", "version": f"v{cycle // 5}"}},
        },
        "inputs": [],
        "outputs": [],
    }
    if part:
        told["inputs"] = [{"namespace": "bench", "name": f"table_{source}"} for source in sources]
        told["outputs"] = [{"namespace": "bench", "name": f"table_{job}", "facets": _facets(draw, sources, cycle)}]
    return told


def _facets(draw: random.Random, sources: list[int], cycle: int) -> dict[str, Any]:
    names = [f"column_{index}" for index in range(COLUMNS)]
    fields = {
        name: {"inputFields": [{"namespace": "bench", "name": f"table_{draw.choice(sources)}", "field": name}]}
        for name in names
        if sources
    }
    metrics = {
        name: {"nullCount": draw.randrange(9), "distinctCount": 50, "sum": 500.0, "count": 100, "min": 0.0, "max": 9.5}
        for name in names
    }
    return {
        "schema": {"fields": [{"name": name, "type": "double"} for name in names]},
        "columnLineage": {"fields": fields},
        "dataQualityMetrics": {"rowCount": 100 + cycle, "columnMetrics": metrics},
        "dataSource": {"name": "warehouse", "uri": "postgres://warehouse"},
    }


def batches(events: int, jobs: int) -> Iterator[bytes]:
    for first in range(0, events, BATCH):
        body = json.dumps([event(number, jobs) for number in range(first, min(first + BATCH, events))])
        yield gzip.compress(body.encode(), compresslevel=3)


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """A real one on loopback; its address and its process."""
    variables = os.environ | {"HAWKEYE_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", _SERVE, "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+:\d+", process.stdout.readline())
            assert found is not None
            yield found[0], process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def computed_s(process: int) -> float:
    """The seconds that a process has computed; NaN where the system does not say."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return float("nan")
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ingest(http: httpx.Client, events: int, jobs: int) -> float:
    """Events per second, without the time in which this side makes them."""
    took = 0.0
    for place, body in enumerate(batches(events, jobs)):
        begun = time.perf_counter()
        answer = http.post("/lineage/batch", content=body, headers={"content-encoding": "gzip"})
        took += time.perf_counter() - begun
        assert answer.status_code == 200, answer.text
        assert not answer.json()["refused"], answer.text
        if place % 20 == 19:
            print(f"{(place + 1) * BATCH} events, {(place + 1) * BATCH / took:.0f}/s so far", flush=True)
    return events / took


def ask(http: httpx.Client, path: str, nodes: list[str], **query: str | int) -> list[float]:
    """How long each answer takes, in milliseconds."""
    found = []
    for node in nodes:
        begun = time.perf_counter()
        answer = http.get(f"/lineage/{path}", params={"node": node, **query})
        found.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text
    return found


def singles(base: str, jobs: int, count: int = 400) -> float:
    """Events per second, each in a request of its own."""
    bodies = [json.dumps(event(number, jobs) | {"producer": "again"}) for number in range(count)]
    with httpx.Client(base_url=base, timeout=60) as http, ThreadPoolExecutor(8) as pool:
        begun = time.perf_counter()
        answers = list(pool.map(lambda body: http.post("/lineage", content=body).status_code, bodies))
        took = time.perf_counter() - begun
    assert set(answers) == {200}
    return count / took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100_000)
    asked = parser.parse_args()
    jobs = min(NODES // 2, max(asked.events // 2, 1))
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (address, process):
        base = f"{address}/api/v1"
        with httpx.Client(base_url=base, timeout=600) as http:
            before = computed_s(process)
            per_second = ingest(http, asked.events, jobs)
            computed = computed_s(process) - before
            nodes = [f"bench:table_{draw.randrange(jobs)}" for _ in range(ASKED)]
            around = ask(http, "neighbours", nodes, hops=2)
            statistics = ask(http, "statistics", nodes)
            found = http.get("/lineage/nodes", params={"limit": 1}).json()["total"]
        alone = singles(base, jobs)
        size = sum(path.stat().st_size for path in Path(name).iterdir()) / 1e6
    print(
        json.dumps(
            {
                "events": asked.events,
                "nodes": found,
                "events_per_s": round(per_second),
                "neighbourhood_ms": round(float(np.percentile(around, 95)), 2),
                "neighbourhood_ms_median": round(float(np.median(around)), 2),
                "statistics_ms": round(float(np.percentile(statistics, 95)), 2),
                "single_events_per_s": round(alone),
                "store_mb": round(size),
                "cpu_us_per_event": round(computed / asked.events * 1e6),
            }
        )
    )


if __name__ == "__main__":
    main()

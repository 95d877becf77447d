"""Sock Shop 1: which metric changed when a fault was injected? `python -m tests.benchmarks.sockshop [DIR]`.

DIR holds `<service>-<cpu or mem>/<n>/{normal,anomalous}.csv` (default: ../shared/data/sockshop). As in published
tables, memory is taken in MB, the latencies' 50% and 99% points and constant columns are left out, and ties go to the
column that comes first. The series are ranked as `feature_ranking` ranks those of features, with the shipped defaults.

Prints each incident that is missed, and one JSON line last: `cpu_ac1` and `mem_ac1`, the share of incidents whose first
metric is the injected one.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.stats.series_change import strength

DEFAULT = Path("../shared/data/sockshop")
_LEFT_OUT = ("_lat_50", "_lat_99")
_MB = 1e6


def main(folder: Path) -> None:
    """Print one JSON line."""
    found: dict[str, list[bool]] = {"cpu": [], "mem": []}
    for fault in sorted(path for path in folder.iterdir() if path.is_dir()):
        for incident in sorted(fault.iterdir()):
            first = ranked(incident)[0]
            right = first == fault.name.replace("-", "_")
            found[fault.name.rsplit("-", 1)[1]].append(right)
            if not right:
                print(f"{fault.name}/{incident.name}: {first}")
    print(json.dumps({f"{kind}_ac1": float(np.mean(hits)) for kind, hits in found.items()}))


def ranked(incident: Path) -> list[str]:
    """The metrics of one incident, the one that changed most first."""
    names, normal = _series(incident / "normal.csv")
    _, anomalous = _series(incident / "anomalous.csv")
    both = np.vstack([normal, anomalous])
    varies = [i for i in range(len(names)) if both[:, i].max() > both[:, i].min()]
    order = np.argsort(-strength(normal[:, varies], anomalous[:, varies]), kind="stable")
    return [names[varies[i]] for i in order]


def _series(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    with path.open() as file:
        header, *rows = csv.reader(file)
    kept = [i for i, name in enumerate(header) if name != "time" and not name.endswith(_LEFT_OUT)]
    names = [header[i] for i in kept]
    values = np.array([[float(row[i] or "nan") for i in kept] for row in rows])
    return names, values / np.array([_MB if name.endswith("_mem") else 1.0 for name in names])


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    if not given.is_dir():
        raise SystemExit(f"{given} is not there; name the folder that holds the incidents")
    main(given)

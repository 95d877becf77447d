"""Every drill on a row of seeds: `python -m tests.benchmarks.drills [SEED ...]`; without seeds 1 2 3.

Prints a line per drill and one JSON line last: `correct` of `drills`, `accused_null` of `null_drills` (verdicts that
accuse somebody where nothing was planted), and the longest walk and build in seconds.
"""

import json
import subprocess
import sys
from typing import Any

NULL = ("nothing", "storm")


def main(seeds: list[int]) -> None:
    """Run all faults on these seeds, one process a drill, as a user would."""
    faults = [fault["name"] for fault in json.loads(_hawkeye("drill", "list", "--json"))]
    reports = [drill(fault, seed) for seed in seeds for fault in faults]
    null = [r for r in reports if r["fault"] in NULL]
    summary = {
        "drills": len(reports),
        "correct": sum(r["correct"] for r in reports),
        "null_drills": len(null),
        "accused_null": sum(not r["correct"] for r in null),
        "walk_s_max": max(r["seconds"] for r in reports),
        "build_s_max": max(r["build_seconds"] for r in reports),
    }
    print(json.dumps(summary))


def drill(fault: str, seed: int) -> dict[str, Any]:
    """The report of one drill."""
    report: dict[str, Any] = json.loads(_hawkeye("drill", "run", fault, "--seed", str(seed), "--json"))
    verdict = report["verdict"]
    mark = "right" if report["correct"] else "WRONG"
    says = f"{verdict['cause']} {verdict['target']} (confidence {verdict['confidence']:.2f})"
    print(f"{mark} {fault} seed {seed}: {says}, walked in {report['seconds']:.1f} s", flush=True)
    return report


def _hawkeye(*arguments: str) -> str:
    command = [sys.executable, "-c", "from assistant.cli.main import main; main()", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [1, 2, 3])

"""How fast a snapshot is opened, against torch's own reader: `python -m tests.benchmarks.snapshot_load [seed]`.

A DLRM of about 280 MB (200 tables of 20,000 rows, 500 dense features), on disk cache. `x_faster`: the time of
`torch.export.load` over that of our reader and of making the interpreter ready; medians of rounds that alternate.
`bit_equal`: whether both give the same bits on 512 rows. Printed besides: the same with the first output included,
where the mapped weights are read for the first time, and a plain run against that of torch's module.
"""

import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from knowledge.pt2 import read_program
from tests.models.dlrm import DLRM
from tools.program.interpreter import Interpreter

ROWS, DENSE, FIELDS, VOCABULARY = 512, 500, 200, 20_000
ROUNDS = 7
THREADS = 2

Inputs = tuple[Tensor, Tensor]


def main() -> None:
    """Print what was measured, and one JSON line."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    inputs = (torch.rand(ROWS, DENSE), torch.randint(0, VOCABULARY, (ROWS, FIELDS)))
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "dlrm.pt2"
        _write(path, inputs)
        print(f"seed {seed}: {path.stat().st_size / 1e6:.0f} MB")
        print(json.dumps(measure(path, inputs)))


def measure(path: Path, inputs: Inputs) -> dict[str, Any]:
    """The figures for one file."""
    ours, theirs = _alternate(lambda: _ours(path), lambda: torch.export.load(path))
    print(f"opened in {ours * 1e3:.0f} ms, torch.export.load {theirs * 1e3:.0f} ms")
    ours_first, theirs_first = _alternate(
        lambda: _ours(path).run(inputs), lambda: torch.export.load(path).module()(*inputs)
    )
    print(f"with the first output {ours_first * 1e3:.0f} ms, torch {theirs_first * 1e3:.0f} ms")
    interpreter, module = _ours(path), torch.export.load(path).module()
    ours_run, theirs_run = _alternate(lambda: interpreter.run(inputs), lambda: module(*inputs))
    print(f"a plain run {ours_run * 1e3:.2f} ms, torch's module {theirs_run * 1e3:.2f} ms")
    (answer,) = interpreter.run(inputs).values()
    return {
        "x_faster": round(theirs / ours, 1),
        "bit_equal": torch.equal(answer, module(*inputs)),
        "x_faster_first_output": round(theirs_first / ours_first, 1),
        "x_run": round(ours_run / theirs_run, 2),
    }


def _ours(path: Path) -> Interpreter:
    return Interpreter(read_program(path))


def _write(path: Path, inputs: Inputs) -> None:
    model = DLRM(DENSE, FIELDS, VOCABULARY, width=16, bottom=(256, 64), top=(256, 128)).eval()
    rows = Dim("rows")
    with warnings.catch_warnings(), path.open("wb") as file:
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model, inputs, dynamic_shapes=({0: rows}, {0: rows})), file)


def _alternate(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    """The median seconds of each, in rounds that alternate, after one of each that does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(ROUNDS + 1):
        for place, call in enumerate((first, second)):
            start = time.perf_counter()
            call()
            if round_:
                times[place].append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()

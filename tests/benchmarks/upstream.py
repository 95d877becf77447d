"""What a trace upstream costs, against a plain run: `python -m tests.benchmarks.upstream [seed]`.

A deep and cross network of 3,000 dense and 1,000 sparse features, on a batch of 512 rows of which three have a fault in
one feature: NaN (`x_forward`), -1 into a logarithm (`x_forward_log`), a value far too large (`x_forward_extreme`), an
id whose row of the table is NaN (`x_forward_table`). Each figure is the time of the trace, from the inputs to the
causes, over that of a plain run of the whole batch by the same interpreter: the median over rounds that alternate, on
one thread, so that it is work that is compared, and not how well it spreads. `right` says whether every trace named the
feature and the rows, and nothing else; the exit status is 1 where one did not.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.models.layers import tower
from tests.tools.program.exported import export
from tools.program.badness import Badness
from tools.program.graph import Column, Program
from tools.program.interpreter import Interpreter
from tools.program.upstream import Trace, trace

DENSE, SPARSE, VOCABULARY, WIDTH, BATCH = 3000, 1000, 1000, 8, 512
ROWS = (5, 77, 300)
ROUNDS = 5
THREADS = 1


class DeepAndCross(nn.Module):
    """Wang et al. 2021, arXiv:2008.13535, with low-rank crosses; dense features go through a logarithm and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(VOCABULARY, WIDTH) for _ in range(SPARSE))
        self.norm = nn.BatchNorm1d(DENSE)
        width = DENSE + SPARSE * WIDTH
        self.down = nn.ModuleList(nn.Linear(width, 64, bias=False) for _ in range(2))
        self.up = nn.ModuleList(nn.Linear(64, width) for _ in range(2))
        self.deep = tower(width, 128, 64)
        self.last = nn.Linear(width + 64, 1)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        rows = [table(sparse[:, place]) for place, table in enumerate(self.tables)]
        first = torch.cat([self.norm(torch.log(dense + 0.5)), *rows], 1)
        crossed = first
        for down, up in zip(self.down, self.up, strict=True):
            crossed = first * up(down(crossed)) + crossed
        return torch.sigmoid(self.last(torch.cat([crossed, self.deep(first)], 1))).squeeze(1)


@dataclass(frozen=True)
class Fault:
    """Inputs and a program with a fault in one feature, and what counts as bad."""

    program: Program
    inputs: tuple[Tensor, Tensor]
    bad: Badness
    feature: str


def main() -> None:
    """Print a line for each fault, and one JSON line. Exits with 1 where an answer is wrong."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        program = _program(Path(folder))
        measured, right = {}, True
        for key, fault in _faults(program).items():
            x, answer = _measure(fault)
            measured[key] = round(x, 2)
            right &= _is_right(answer, fault)
            named = ", ".join(f"{cause.feature} in rows {cause.rows}" for cause in answer.causes)
            print(f"seed {seed}, {key}: {x:.2f} plain runs; {answer.origin}: {named}")
    print(json.dumps({**measured, "right": right}))
    sys.exit(0 if right else 1)


def _program(folder: Path) -> Program:
    module = DeepAndCross().eval()
    columns = [Column("dense", place, f"d{place}", "dense", 0.5) for place in range(DENSE)]
    columns += [Column("sparse", place, f"s{place}", "categorical", 0) for place in range(SPARSE)]
    return export(module, _inputs(4), folder, columns=columns)


def _inputs(rows: int) -> tuple[Tensor, Tensor]:
    return torch.rand(rows, DENSE), torch.randint(1, VOCABULARY, (rows, SPARSE))


def _faults(program: Program) -> Mapping[str, Fault]:
    dense, sparse = _inputs(BATCH)
    place, rows = int(torch.randint(0, DENSE, ())), torch.tensor(ROWS)

    def planted(value: float) -> tuple[Tensor, Tensor]:
        changed = dense.clone()
        changed[rows, place] = value
        return changed, sparse

    column = int(torch.randint(0, SPARSE, ()))
    name = next(value for value, name in program.weight_names.items() if name == f"tables.{column}.weight")
    table, ids = program.weights[name].clone(), sparse.clone()
    table[VOCABULARY - 1] = torch.nan
    ids[:, column].clamp_(max=VOCABULARY - 2)
    ids[rows, column] = VOCABULARY - 1
    spoiled = replace(program, weights={**program.weights, name: table})
    return {
        "x_forward": Fault(program, planted(torch.nan), Badness(), f"d{place}"),
        "x_forward_log": Fault(program, planted(-1.0), Badness(), f"d{place}"),
        "x_forward_extreme": Fault(program, planted(1e12), _limits(program, (dense, sparse)), f"d{place}"),
        "x_forward_table": Fault(spoiled, (dense, ids), Badness(), f"s{column}"),
    }


def _limits(program: Program, healthy: tuple[Tensor, Tensor]) -> Badness:
    """What healthy rows have given, twice as wide; the inputs are not judged, so that the trace has to find them."""
    limits = {}

    def watch(node: object, result: object) -> None:
        if isinstance(result, Tensor) and result.is_floating_point():
            low, high = float(result.min()), float(result.max())
            limits[node.outputs[0]] = (low - (high - low), high + (high - low))  # type: ignore[attr-defined]

    Interpreter(program).run(healthy, watch=watch)
    return Badness("extreme", limits)


def _measure(fault: Fault) -> tuple[float, Trace]:
    interpreter = Interpreter(fault.program)
    answer = trace(interpreter, fault.inputs, fault.bad)
    ratios = []
    for _ in range(ROUNDS):
        plain = _seconds(lambda: interpreter.run(fault.inputs))
        ratios.append(_seconds(lambda: trace(interpreter, fault.inputs, fault.bad)) / plain)
    return statistics.median(ratios), answer


def _is_right(answer: Trace, fault: Fault) -> bool:
    return [(cause.feature, cause.rows, cause.sufficient, cause.necessary) for cause in answer.causes] == [
        (fault.feature, ROWS, True, True)
    ]


def _seconds(job: object) -> float:
    begun = time.perf_counter()
    job()  # type: ignore[operator]
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()

"""Feature ablation against captum's: `python -m tests.benchmarks.ablation [SEED]`.

Three models with random weights, 128 rows, all features taken away one at a time: a wide tower over 3,000 features
(2,500 numbers and 500 tables), a DLRM with pairwise products (500 numbers and 200 tables), and a deep and cross network
with low-rank crosses of the same inputs. captum's `FeatureAblation` runs the module with its defaults; the engine runs
the program that the same module was exported to, and its time holds everything from the program to the figures (the
plain run, the run on twice the rows, and the proofs). Times are the process's own, on one thread, so that what else the
machine does counts little: captum once, and the engine in three turns around it, of which the median counts.

Keys: `x_captum`, how many times faster it is for the slower of the tower and the DLRM; `x_captum_dcn` for the deep and
cross network; `max_abs_diff`, the largest absolute difference of any figure of any model, all of them differences of
probabilities. The exit status is 1 where that is above 1e-6.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.models.dlrm import DLRM
from tests.models.layers import tower
from tests.tools.program.exported import export
from tools.program.ablation.ablate import ablate
from tools.program.graph import Column

ROWS, VOCABULARY, TURNS = 128, 500, 3
MOST_APART = 1e-6


class Tower(nn.Module):
    """A plain deep network over numbers and embeddings."""

    def __init__(self, dense: int, fields: int, width: int = 8) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(VOCABULARY, width) for _ in range(fields))
        self.deep = tower(dense + fields * width, 256, 128, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        rows = [table(ids[:, place]) for place, table in enumerate(self.tables)]
        return torch.sigmoid(self.deep(torch.cat([dense, *rows], 1))).squeeze(1)


class DeepAndCross(nn.Module):
    """Wang et al. 2021, arXiv:2008.13535, with low-rank crosses beside a tower."""

    def __init__(self, dense: int, fields: int, width: int = 8, crosses: int = 3, rank: int = 64) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(VOCABULARY, width) for _ in range(fields))
        size = dense + fields * width
        self.down = nn.ModuleList(nn.Linear(size, rank, bias=False) for _ in range(crosses))
        self.up = nn.ModuleList(nn.Linear(rank, size) for _ in range(crosses))
        self.deep = tower(size, 256, 128)
        self.last = nn.Linear(size + 128, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        rows = [table(ids[:, place]) for place, table in enumerate(self.tables)]
        first = crossed = torch.cat([dense, *rows], 1)
        for down, up in zip(self.down, self.up, strict=True):
            crossed = first * up(down(crossed)) + crossed
        joined = torch.cat([crossed, torch.relu(self.deep(first))], 1)
        return torch.sigmoid(self.last(joined)).squeeze(1)


def main(seed: int) -> None:
    """Print a line for each model, and one JSON line."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    dlrm = DLRM(dense=500, fields=200, vocabulary=VOCABULARY, width=16, bottom=(256, 64), top=(256, 128))
    studies = {
        "tower": _study("tower", Tower(2500, 500), 2500, 500),
        "DLRM": _study("DLRM", dlrm, 500, 200),
        "DCN": _study("DCN", DeepAndCross(500, 200), 500, 200),
    }
    apart = max(apart for _, apart in studies.values())
    summary = {
        "x_captum": round(min(studies["tower"][0], studies["DLRM"][0]), 1),
        "x_captum_dcn": round(studies["DCN"][0], 2),
        "max_abs_diff": apart,
    }
    print(json.dumps(summary))
    sys.exit(0 if apart <= MOST_APART else 1)


def _study(name: str, module: nn.Module, dense: int, fields: int) -> tuple[float, float]:
    """How many times faster, and the largest difference."""
    from captum.attr import FeatureAblation

    module.eval().requires_grad_(False)
    inputs = torch.rand(ROWS, dense), torch.randint(1, VOCABULARY, (ROWS, fields))
    columns = [Column("dense", place, f"d{place}", "dense", 0.5) for place in range(dense)]
    columns += [Column("ids", place, f"s{place}", "categorical", 0) for place in range(fields)]
    with tempfile.TemporaryDirectory() as folder:
        program = export(module, inputs, Path(folder), columns=columns)
    baselines = torch.full((1, dense), 0.5), torch.zeros((1, fields), dtype=torch.int64)
    before, _ = _timed(lambda: ablate(program, inputs))
    captum_s, expected = _timed(lambda: FeatureAblation(module).attribute(inputs, baselines=baselines))
    after = [_timed(lambda: ablate(program, inputs)) for _ in range(TURNS - 1)]
    own_s = statistics.median([before, *(seconds for seconds, _ in after)])
    reference = torch.cat([part.to(torch.float32) for part in expected], 1).T
    found = after[-1][1]
    apart = float((found.differences[:, :, 0] - reference).abs().max())
    print(
        f"{name}: {dense + fields} features, captum {captum_s:.2f} s, here {own_s:.3f} s, "
        f"{captum_s / own_s:.1f} times faster, at most {apart:.1e} apart{''.join('; ' + note for note in found.notes)}",
        flush=True,
    )
    return captum_s / own_s, apart


def _timed(job: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    result = job()
    return time.process_time() - begun, result


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)

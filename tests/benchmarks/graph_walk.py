"""What watching a snapshot costs, in plain runs of it: `python -m tests.benchmarks.graph_walk [--turns 11]`.

A DLRM (200 tables, 500 dense columns, batch 512) and a small BERT (`transformers`, random weights; the size that its
authors call small: 4 layers of width 512; 16 texts of 64 tokens) are exported, read back and run: plainly, watched by
the first tier as the graph walk watches it (range, non-finite and sum of every value that is no view, and more for the
outputs of relu and sigmoid), with all of the second tier for every value, and as the module itself. The four take
turns; each ratio is the median over the turns. Times are the process's own, on one thread, so that what else the
machine does counts little.

Keys: `x_forward` and `x_forward_transformer` for the first tier, `x_everything` and `x_everything_transformer` for all
of it on every value. `x_module` and `x_module_transformer`: the first tier over the module itself, run without the
interpreter. Those of the transformer are null where `transformers` is not installed.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.models.dlrm import DLRM
from tests.tools.program.exported import export
from tools.program.interpreter import Interpreter
from tools.program.second_tier import SecondTier


def main(turns: int) -> None:
    """Print a line per model, and one JSON line."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    dlrm = DLRM(dense=500, fields=200, vocabulary=1000, width=16, bottom=(256, 64), top=(256, 128))
    figures = _study("DLRM", dlrm, (torch.rand(512, 500), torch.randint(0, 1000, (512, 200))), turns, "")
    try:
        bert: nn.Module | None = _bert()
    except ImportError as missing:
        print(f"no transformer: {missing}; install the dev extra")
        bert = None
    if bert is not None:
        figures |= _study("BERT", bert, (torch.randint(0, 30_000, (16, 64)),), turns, "_transformer")
    else:
        figures |= {f"x_{key}_transformer": None for key in ("forward", "everything", "module")}
    print(json.dumps(figures))


def _bert() -> nn.Module:
    from transformers import BertConfig, BertModel

    class Encoder(nn.Module):
        """The last hidden state, float32[texts, tokens, width]."""

        def __init__(self) -> None:
            super().__init__()
            size = BertConfig(num_hidden_layers=4, hidden_size=512, num_attention_heads=8, intermediate_size=2048)
            self.bert = BertModel(size, add_pooling_layer=False)

        def forward(self, ids: Tensor) -> Tensor:
            hidden: Tensor = self.bert(ids).last_hidden_state
            return hidden

    return Encoder()


def _study(name: str, module: nn.Module, inputs: Sequence[Tensor], turns: int, suffix: str) -> dict[str, float | None]:
    with tempfile.TemporaryDirectory() as folder:
        program = export(module.eval(), inputs, Path(folder))
        interpreter = Interpreter(program)

        def watched(everything: bool) -> None:
            tier = SecondTier(program, everything)
            interpreter.run(inputs, watch=tier)
            tier.statistics(tier.ranges())

        def plain_module() -> None:
            with torch.no_grad():
                module(*inputs)

        jobs: dict[str, Callable[[], object]] = {
            "plain": lambda: interpreter.run(inputs),
            "first": lambda: watched(False),
            "everything": lambda: watched(True),
            "module": plain_module,
        }
        took = _in_turns(jobs, turns)
    ratios = {
        f"x_forward{suffix}": _ratio(took["first"], took["plain"]),
        f"x_everything{suffix}": _ratio(took["everything"], took["plain"]),
        f"x_module{suffix}": _ratio(took["first"], took["module"]),
    }
    plain_ms = 1000 * statistics.median(took["plain"])
    print(f"{name}: {len(program.nodes)} nodes, plain run {plain_ms:.1f} ms, {json.dumps(ratios)}", flush=True)
    return dict(ratios)


def _in_turns(jobs: dict[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Seconds of each job, turn by turn, after one that does not count."""
    took: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(turns + 1):
        for name, job in jobs.items():
            begun = time.process_time()
            job()
            if turn:
                took[name].append(time.process_time() - begun)
    return took


def _ratio(watched: list[float], plain: list[float]) -> float:
    return round(statistics.median(w / p for w, p in zip(watched, plain, strict=True)), 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=11)
    main(parser.parse_args().turns)

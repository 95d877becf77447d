"""Is the confidence of `lineage_walk` what it says? `python -m tests.benchmarks.lineage_calibration [--fit]`.

Walks simulated worlds (`tests/benchmarks/lineage_world.py`): half with a planted root, half with none. A verdict is a
named root with its confidence; it is right where that is the planted dataset. With `--fit` it prints the weights of
`tools.stats.root_probability` as fitted to the even seeds, and does no more; without, it walks odd seeds, which the fit
has not seen, with the weights that are shipped.

Prints the calibration curve, and one JSON line last: `brier` (mean square of confidence less right, over verdicts;
`brier_interval` is half the width of its 95% interval), `right_at_09` (the share that is right of the verdicts of 0.85
to 0.95), `right_above_09` (of all from 0.9 on), `accused_null` (null worlds in which a root was named), `found`
(planted worlds with the right root named), `named`, `curve` ([mean confidence, share right, its 95% interval, verdicts]
by tenths of confidence), `ece` (their mean distance, by verdicts), and `noise_at_0999`, what confidences of
1 - 2Φ(-max|z|) would have said in the null worlds: their share above 0.99.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from tests.benchmarks.lineage_world import world
from tools.lineage_walk import TOOL
from tools.stats.root_clues import Clues
from tools.stats.root_probability import WEIGHTS

Floats = NDArray[np.float64]
WORLDS = 280  # of each kind
NAMES = ("one", *(f.name for f in fields(Clues)))
DRAWN_TO_ZERO = 0.5  # in squares of weights, as observations
FREE = ("one", "felt", "untracked")
AGAINST = ("faint", "explained", "blind", "vague", "late", "hinted", "unfelt")


@dataclass(frozen=True)
class Verdict:
    """What was said of a world: the root with its confidence, all candidates, and how far off the worst figure is."""

    root: str | None
    confidence: float
    candidates: tuple[dict[str, Any], ...]
    truth: str | None
    farthest: float

    @property
    def right(self) -> bool:
        return self.root is not None and self.root == self.truth


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--worlds", type=int, default=WORLDS, help="of each kind")
    asked = parser.parse_args()
    if asked.fit:
        print(json.dumps(fitted([*verdicts(range(0, 2 * asked.worlds, 2))]), indent=4))
        return
    fresh = range(1, 2 * asked.worlds, 2)
    found = {kind: [*verdicts(fresh, kinds=(kind,))] for kind in ("planted", "null")}
    told = figures(found["planted"], found["null"])
    for confidence, right, low, high, count in told["curve"]:
        print(f"of {count} verdicts with {confidence:.2f} on average, {right:.2f} are right ({low:.2f} to {high:.2f})")
    print(json.dumps(told))


def verdicts(
    seeds: Sequence[int], kinds: Sequence[Literal["planted", "null"]] = ("planted", "null")
) -> Iterator[Verdict]:
    """The verdicts of the worlds of these seeds, of each kind."""
    for kind in kinds:
        for seed in seeds:
            made = world(seed, kind)
            found = TOOL.run(made.params, made.ports)
            result = found.result or {"walked": (), "candidates": ()}
            root, confidence = found.facts["root"], found.facts["confidence"]
            zs = [float(row["z"]) for row in result["walked"] if row["z"] not in (None, "Infinity")]
            yield Verdict(
                None if root is None else str(root),
                float(confidence) if isinstance(confidence, float) else math.nan,
                tuple(result["candidates"]),
                made.root,
                max(zs, default=0.0),
            )


def fitted(found: Sequence[Verdict]) -> dict[str, float]:
    """The weights of a conditional logit with "none of them", drawn towards zero (ridge). What can only speak for or
    against a suspect keeps that sign."""
    worlds = [(_matrix(v), _choice(v)) for v in found if v.candidates]

    def loss(weights: Floats) -> float:
        total = DRAWN_TO_ZERO * float(weights[1:] @ weights[1:])
        for clues, choice in worlds:
            odds = np.append(clues @ weights, 0.0)
            total += float(np.logaddexp.reduce(odds) - odds[choice])
        return total

    bounds = [(None, None) if n in FREE else (None, 0.0) if n in AGAINST else (0.0, None) for n in NAMES]
    begin = np.array([WEIGHTS.get(name, 0.0) for name in NAMES])
    best = optimize.minimize(loss, begin, method="L-BFGS-B", bounds=bounds)
    return {name: round(float(weight), 2) for name, weight in zip(NAMES, best.x, strict=True)}


def _matrix(verdict: Verdict) -> Floats:
    return np.array([[1.0, *(float(c["clues"][name]) for name in NAMES[1:])] for c in verdict.candidates])


def _choice(verdict: Verdict) -> int:
    """The place of the truth among the candidates; behind them where it is none of them."""
    names = [c["node"] for c in verdict.candidates]
    return names.index(verdict.truth) if verdict.truth in names else len(names)


def figures(planted: Sequence[Verdict], null: Sequence[Verdict]) -> dict[str, Any]:
    """Calibration over all verdicts that name a root."""
    named = [v for v in (*planted, *null) if v.root]
    confidence, right = np.array([v.confidence for v in named]), np.array([v.right for v in named], dtype=float)
    curve = [
        (float(confidence[at].mean()), float(right[at].mean()), *_interval(right[at]), int(at.sum()))
        for low in np.arange(0, 1, 0.1)
        if (at := (confidence >= low) & (confidence < low + 0.1)).any()
    ]
    noise = [1 - 2 * float(stats.norm.sf(v.farthest)) > 0.99 for v in null]
    return {
        "brier": _rounded(((confidence - right) ** 2).mean()),
        "right_at_09": _rounded(right[(confidence >= 0.85) & (confidence < 0.95)].mean()),
        "at_09": int(((confidence >= 0.85) & (confidence < 0.95)).sum()),
        "right_above_09": _rounded(right[confidence >= 0.9].mean()),
        "above_09": int((confidence >= 0.9).sum()),
        "accused_null": _rounded(np.mean([v.root is not None for v in null])),
        "found": _rounded(np.mean([v.right for v in planted])),
        "named": _rounded(np.mean([v.root is not None for v in planted])),
        "brier_interval": _rounded(1.96 * ((confidence - right) ** 2).std() / math.sqrt(len(named))),
        "ece": _rounded(sum(abs(c - r) * n for c, r, _, _, n in curve) / len(named)),
        "noise_at_0999": _rounded(np.mean(noise)),
        "curve": [[*map(_rounded, row[:-1]), row[-1]] for row in curve],
        "worlds": len(planted) + len(null),
    }


def _interval(right: Floats) -> tuple[float, float]:
    told = stats.binomtest(int(right.sum()), len(right)).proportion_ci()
    return float(told.low), float(told.high)


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)


if __name__ == "__main__":
    main()

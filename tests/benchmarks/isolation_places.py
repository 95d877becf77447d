"""Who is accused, on days that differ and on days with a fault: `python -m tests.benchmarks.isolation_places [DIR]`.

Cubes of hours with models, arms, countries, builds and regions, two weeks of baseline and a day of degradation, with
only a top line. On half of the cubes nothing is wrong, in four shapes: swings that remember, a weekly cycle that
differs by country, a strong move of the traffic's mix, and days of heavy tails. On the others 3 in 10 good outcomes are
lost in one place: a model, an arm, a build, a country, or a model in one arm or region.

It makes its own cubes: DIR, which all benchmarks take, is not read. `--seed` chooses other ones.

Prints a line per shape and place and one JSON line last: `accused_null` is the share of the cubes without a fault on
which a model, segment or infrastructure is accused, `right_factor` the share of the others with the right factor (and
model), `wrong_model` the share of the others on which a model is accused that is sound, `named` the share on which the
exact combination is named.
"""

import argparse
import json

from tests.tools.nulls import SHAPES, Plain, isolate
from tools.contract import Scalar

NULLS, PER_PLACE = 60, 30
PLACES: dict[str, dict[str, str]] = {
    "model": {"model": "m2"},
    "segment": {"country": "in"},
    "infra": {"infra.build": "b2"},
    "segment of an arm": {"arm": "treatment"},
    "model in an arm": {"arm": "treatment", "model": "m1"},
    "model in a region": {"infra.region": "eu", "model": "m3"},
}
LOST = 0.3


def main(seed: int) -> None:
    """Print one JSON line."""
    first = 100_000 * (seed + 1)
    accused = {shape: sum(_accuses(first + i, shape) for i in range(NULLS)) for shape in SHAPES}
    for shape, count in accused.items():
        print(f"nothing wrong, {shape}: {count} of {NULLS} accused")
    right = wrong = named = 0
    for place, where in PLACES.items():
        facts = [isolate(Plain(first + 1000 + i, where=where, lost=LOST)).facts for i in range(PER_PLACE)]
        mine = [sum(_is_right(f, place, where) for f in facts), sum(_is_named(f, where) for f in facts)]
        print(f"{place}: factor right in {mine[0]} and named in {mine[1]} of {PER_PLACE}")
        right, named = right + mine[0], named + mine[1]
        wrong += sum(bool(f["model_degraded"]) and f["model"] != where.get("model") for f in facts)
    faults = PER_PLACE * len(PLACES)
    summary = {
        "accused_null": round(sum(accused.values()) / (NULLS * len(SHAPES)), 4),
        "right_factor": round(right / faults, 4),
        "wrong_model": round(wrong / faults, 4),
        "named": round(named / faults, 4),
        "n_null": NULLS * len(SHAPES),
        "n": faults,
    }
    print(json.dumps(summary))


def _accuses(seed: int, shape: str) -> bool:
    facts = isolate(Plain(seed, shape)).facts
    return facts["factor"] in ("model", "segment", "infra") or facts["model_degraded"] is True


def _is_right(facts: dict[str, Scalar], place: str, where: dict[str, str]) -> bool:
    return facts["factor"] == place.split()[0] and ("model" not in where or facts["model"] == where["model"])


def _is_named(facts: dict[str, Scalar], where: dict[str, str]) -> bool:
    return facts["combination"] == " & ".join(f"{name}={value}" for name, value in sorted(where.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    main(parser.parse_args().seed)

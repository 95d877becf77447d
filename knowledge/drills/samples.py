"""Prediction samples: what a share of the impressions was served, as an Arrow table per model."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from knowledge.drills.calendar import ARMS, iso
from knowledge.drills.features import FEATURES, MODELS
from knowledge.drills.flights import Columns
from knowledge.drills.points import snapshot_names
from knowledge.drills.randomness import hash_share
from knowledge.drills.rollout import REGIONS
from knowledge.drills.serving import Impressions
from knowledge.drills.traffic import FLIGHTS_PER_PAGE

SHARE = 0.5
"""The share of pages that are sampled, by a consistent hash, so that a page is sampled whole or not at all."""


def samples(model: str, shown: Impressions, flights: Columns, features: Columns, now: int) -> pa.Table:
    """The sampled impressions of one model. A missing feature is NaN, a label that is not known by `now` is null."""
    page = shown.day * 1_000_000 + shown.page
    slot = np.arange(len(shown)) % FLIGHTS_PER_PAGE  # impressions come page by page, whole
    kept = (hash_share(page, "sample") < SHARE) & (shown.model == MODELS.index(model))
    some, slot = shown.where(kept), slot[kept]
    names = [f"{iso(some.day)}-{p:05d}-{s}" for p, s in zip(some.page.tolist(), slot.tolist(), strict=True)]
    late = pa.array(some.late.astype(np.float32), mask=some.label_at > now)
    columns: dict[str, pa.Array | NDArray[np.generic]] = {
        "ts": pa.array(some.ts * 1_000_000, pa.timestamp("us", tz="UTC")),
        "request_id": pa.array(names, pa.string()),
        "model": pa.array([model] * len(some), pa.string()),
        "snapshot": snapshot_names(some.model, some.snapshot_day),
        "arm": np.array(ARMS)[some.arm],
        "seg.origin": flights["origin"][some.flight],
        "seg.carrier": flights["carrier"][some.flight],
        "seg.infra.region": np.array(REGIONS)[some.region],
        "seg.infra.build": np.char.add("b", some.build.astype(np.str_)),
    }
    columns |= {f"f.{name}": features[name][some.row].astype(np.float32) for name in FEATURES[model].names}
    columns |= {"prediction": some.prediction, "label": late}
    return pa.table(columns)

"""Metric points: what the serving log adds up to, by hour and dimensions, as of a moment."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import ARMS, HOUR_S, snapshot_id
from knowledge.drills.feature_jobs import Vocabulary
from knowledge.drills.features import MODELS
from knowledge.drills.flights import Columns
from knowledge.drills.rollout import REGIONS
from knowledge.drills.serving import Impressions

PRODUCT = "flight_search_badge"
METRICS = (
    ("on_time_badge_share", "topline", "higher", "share of badges whose flight was on time"),
    ("calibration", "calibration", "neither", "predicted late flights per late flight"),
    ("log_loss", "log_loss", "lower", "log loss of the predictions"),
    ("prediction_mean", "prediction_mean", "neither", "mean prediction"),
    ("label_rate", "label_rate", "neither", "share of flights that were late"),
)
Dimensions = list[tuple[str, NDArray[np.int64], NDArray[np.str_]]]

_CLIP = 1e-6  # the usual floor of a logged log loss: one certain error must not be infinite


def product_record() -> dict[str, Any]:
    """The product with its metrics."""
    metrics = [dict(zip(("name", "role", "better", "title"), metric, strict=True)) for metric in METRICS]
    return {"product": PRODUCT, "title": "On-time badge on flight search", "metrics": metrics}


def metric_batches(shown: Impressions, flights: Columns, vocabulary: Vocabulary, now: int) -> list[dict[str, Any]]:
    """The points of every metric for a day's impressions; what needs a label counts only labels known by `now`."""
    known = shown.where(shown.label_at <= now)
    badges = known.where(known.badge)
    p, late = known.prediction.astype(np.float64), known.late.astype(np.float64)
    clipped = np.clip(p, _CLIP, 1 - _CLIP)
    loss = -np.where(known.late, np.log(clipped), np.log1p(-clipped))
    ones = np.ones(len(known))

    def dims(some: Impressions) -> Dimensions:
        return _dimensions(some, flights, vocabulary)

    return [
        _batch("on_time_badge_share", badges, dims(badges), (~badges.late).astype(np.float64), np.ones(len(badges))),
        _batch("calibration", known, dims(known), p, late),
        _batch("log_loss", known, dims(known), loss, ones),
        _batch("prediction_mean", shown, dims(shown), shown.prediction.astype(np.float64), np.ones(len(shown))),
        _batch("label_rate", known, dims(known), late, ones),
    ]


def _batch(
    metric: str,
    shown: Impressions,
    dimensions: Dimensions,
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
) -> dict[str, Any]:
    """Sums by hour and dimensions, in the order of time and then of the dimensions' codes."""
    hour = shown.ts // HOUR_S
    cell = hour - hour.min(initial=0)
    for _, code, names in dimensions:
        cell = cell * len(names) + code
    cells, first, place = np.unique(cell, return_index=True, return_inverse=True)
    return {
        "product": PRODUCT,
        "metric": metric,
        "ts": hour[first] * HOUR_S,
        "dimensions": {name: names[code[first]] for name, code, names in dimensions},
        "numerator": np.bincount(place, numerator, len(cells)),
        "denominator": np.bincount(place, denominator, len(cells)),
    }


def _dimensions(shown: Impressions, flights: Columns, vocabulary: Vocabulary) -> Dimensions:
    """Each dimension as its name, the code of every impression, and the text of every code."""
    pair = shown.snapshot_day * len(MODELS) + shown.model
    _, first, snapshot_code = np.unique(pair, return_index=True, return_inverse=True)
    build, build_code = np.unique(shown.build, return_inverse=True)
    return [
        ("model", shown.model, np.array(MODELS)),
        ("snapshot", snapshot_code, snapshot_names(shown.model[first], shown.snapshot_day[first])),
        ("arm", shown.arm, np.array(ARMS)),
        ("origin", flights["origin_id"][shown.flight], vocabulary.origins),
        ("carrier", flights["carrier_id"][shown.flight], vocabulary.carriers),
        ("infra.region", shown.region, np.array(REGIONS)),
        ("infra.build", build_code, np.char.add("b", build.astype(np.str_))),
    ]


def snapshot_names(model: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.str_]:
    """The snapshot ids of models (places in MODELS) and days."""
    pairs, place = np.unique(day * len(MODELS) + model, return_inverse=True)
    ids = [snapshot_id(MODELS[pair % len(MODELS)], pair // len(MODELS)) for pair in pairs.tolist()]
    return np.array(ids, dtype=np.str_)[place]

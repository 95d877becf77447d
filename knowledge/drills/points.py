"""Metric points: what the serving log adds up to, by hour and dimensions, as of a moment."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import ARMS, HOUR_S, snapshot_id
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
_CLIP = 1e-6  # the usual floor of a logged log loss: one certain error must not be infinite


def product_record() -> dict[str, Any]:
    """The product with its metrics."""
    metrics = [dict(zip(("name", "role", "better", "title"), metric, strict=True)) for metric in METRICS]
    return {"product": PRODUCT, "title": "On-time badge on flight search", "metrics": metrics}


def metric_batches(shown: Impressions, flights: Columns, now: int) -> list[dict[str, Any]]:
    """The points of every metric for a day's impressions; what needs a label counts only labels known by `now`."""
    known = shown.where(shown.label_at <= now)
    badges = known.where(known.badge)
    p, late = known.prediction.astype(np.float64), known.late.astype(np.float64)
    clipped = np.clip(p, _CLIP, 1 - _CLIP)
    loss = -np.where(known.late, np.log(clipped), np.log1p(-clipped))
    ones = np.ones(len(known))
    return [
        _batch("on_time_badge_share", badges, flights, (~badges.late).astype(np.float64), np.ones(len(badges))),
        _batch("calibration", known, flights, p, late),
        _batch("log_loss", known, flights, loss, ones),
        _batch("prediction_mean", shown, flights, shown.prediction.astype(np.float64), np.ones(len(shown))),
        _batch("label_rate", known, flights, late, ones),
    ]


def _batch(
    metric: str,
    shown: Impressions,
    flights: Columns,
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
) -> dict[str, Any]:
    """Sums by hour and dimensions, in the order of time and then of the dimensions' codes."""
    codes = _codes(shown, flights)
    keys = np.stack([shown.ts // HOUR_S, *codes.values()], axis=1)
    cells, place = np.unique(keys, axis=0, return_inverse=True)
    count = len(cells)
    return {
        "product": PRODUCT,
        "metric": metric,
        "ts": cells[:, 0] * HOUR_S,
        "dimensions": _names({name: cells[:, column + 1] for column, name in enumerate(codes)}),
        "numerator": np.bincount(place.ravel(), numerator, count),
        "denominator": np.bincount(place.ravel(), denominator, count),
    }


def _codes(shown: Impressions, flights: Columns) -> dict[str, NDArray[np.int64]]:
    return {
        "model": shown.model,
        "snapshot": shown.snapshot_day,
        "arm": shown.arm,
        "origin": _text_code(flights["origin"][shown.flight]),
        "carrier": _text_code(flights["carrier"][shown.flight]),
        "infra.region": shown.region,
        "infra.build": shown.build,
    }


def _text_code(text: NDArray[np.str_]) -> NDArray[np.int64]:
    """Up to three letters as a number that sorts as they do and can be read back."""
    letters = text.astype("U3").view(np.uint32).reshape(len(text), 3).astype(np.int64)
    code: NDArray[np.int64] = (letters[:, 0] << 32) | (letters[:, 1] << 16) | letters[:, 2]
    return code


def _code_text(codes: NDArray[np.int64]) -> NDArray[np.str_]:
    letters = np.stack([codes >> 32, (codes >> 16) & 0xFFFF, codes & 0xFFFF], axis=1)
    return letters.astype(np.uint32).view("U3").ravel()


def _names(codes: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.str_]]:
    model = np.array(MODELS)[codes["model"]]
    return {
        "model": model,
        "snapshot": snapshot_names(codes["model"], codes["snapshot"]),
        "arm": np.array(ARMS)[codes["arm"]],
        "origin": _code_text(codes["origin"]),
        "carrier": _code_text(codes["carrier"]),
        "infra.region": np.array(REGIONS)[codes["infra.region"]],
        "infra.build": np.char.add("b", codes["infra.build"].astype(np.str_)),
    }


def snapshot_names(model: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.str_]:
    """The snapshot ids of models (places in MODELS) and days."""
    pairs, place = np.unique(np.stack([model, day], axis=1), axis=0, return_inverse=True)
    ids = [snapshot_id(MODELS[which], when) for which, when in pairs.tolist()]
    return np.array(ids or [""])[place.ravel()]

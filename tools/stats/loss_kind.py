"""What a loss can say by itself, from how it is defined: what a guess reaches, and how many answers can be wrong at a
given value of it."""

import math
from typing import Literal

Kind = Literal["binary", "categorical", "squared", "absolute"]

_NAMES: dict[Kind, tuple[str, ...]] = {
    "binary": ("binary_crossentropy", "binary_cross_entropy", "bceloss", "bcewithlogitsloss", "bce", "log_loss"),
    "categorical": (
        "categorical_crossentropy", "sparse_categorical_crossentropy", "cross_entropy", "crossentropyloss", "nllloss",
        "crossentropy",
    ),
    "squared": ("mean_squared_error", "mse", "mseloss", "mse_loss"),
    "absolute": ("mean_absolute_error", "mae", "l1loss", "l1_loss"),
}  # fmt: skip


def kind_of(name: str | None) -> Kind | None:
    """The kind of a loss by its usual names in Keras and torch, or None."""
    plain = (name or "").strip().lower().replace("-", "_").replace(" ", "_").split(".")[-1]
    return next((kind for kind, names in _NAMES.items() if plain in names), None)


def of_a_guess(kind: Kind, outputs: int | None, stuck_at: float | None) -> float | None:
    """The loss of always giving the same answer, the best one of that sort; None where that depends on more.

    `outputs` is the number of outputs, `stuck_at` the accuracy of an answer that never changes, for 0/1 labels the
    share of the commoner one.
    """
    if kind == "categorical":
        return math.log(outputs) if outputs and outputs > 1 else None
    if kind == "binary" and stuck_at is None:
        return math.log(2)
    if stuck_at is None or not 0 < stuck_at < 1:
        return None
    common = max(stuck_at, 1 - stuck_at)
    return {
        "binary": -common * math.log(common) - (1 - common) * math.log(1 - common),
        "squared": common * (1 - common),
        "absolute": 1 - common,
    }[kind]


def most_errors(kind: Kind, loss: float, outputs: int | None) -> float:
    """The largest share of wrong answers that a cross-entropy allows; 1 for other losses.

    An answer that is wrong gives the right label at most one half, and so costs at least ln 2 (of one of `outputs`,
    where the loss is their mean).
    """
    if kind not in ("binary", "categorical"):
        return 1.0
    return min(1.0, max(outputs or 1, 1) * loss / math.log(2))

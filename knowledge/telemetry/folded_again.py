"""Profiles made again from the rows that are kept, for when what they lie on is settled."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from knowledge.profiles import Baseline, Folded
from knowledge.sample_tables import FEATURE, PRINT, is_list
from knowledge.telemetry.batches import floats
from tools.records import Window
from tools.stats.profile import PREDICTION, Floats, Profile, summarise

_LARGE = 1 << 20


class RowsAreGone(Exception):
    """Samples that were folded are no longer kept as rows."""


class FoldedAgain:
    """Folds those profiles again that hold a value of one of these `features`, from the `kept` rows of the model."""

    def __init__(self, model: str, kept: pa.Table, known: Mapping[str, Baseline], features: Collection[str]) -> None:
        self._model, self._kept, self._known, self._features = model, kept, known, features
        prints = kept[PRINT].to_numpy()
        self._order = np.argsort(prints)
        self._prints = prints[self._order]

    def __call__(self, before: Sequence[Folded]) -> Sequence[Folded]:
        """The profiles of a day. Raises `RowsAreGone`."""
        return [self._again(one) if self._concerns(one.profile) else one for one in before]

    def _concerns(self, profile: Profile) -> bool:
        return any(profile.count[i] for i, name in enumerate(profile.features) if name in self._features)

    def _again(self, one: Folded) -> Folded:
        place = np.searchsorted(self._prints, one.seen)
        if (place == len(self._prints)).any() or (self._prints[place] != one.seen).any():
            raise RowsAreGone
        profile = one.profile
        order = np.argsort(one.seen)
        rows = self._kept.take(self._order[place][order])
        columns = np.stack([column_of(rows, feature) for feature in profile.features], axis=1)
        again = summarised(
            self._model,
            [(profile.window, profile.snapshot)],
            np.zeros(len(rows), dtype=np.int64),
            profile.features,
            columns,
            self._known,
        )
        return Folded(again[0], one.seen[order])


def column_of(rows: pa.Table, feature: str) -> Floats:
    """A feature float64[n] of kept rows; NaN where none of them has it, or holds lists."""
    name = PREDICTION if feature == PREDICTION else FEATURE + feature
    if name not in rows.column_names or is_list(rows[name].type):
        return np.full(len(rows), np.nan)
    return floats(rows[name])


def summarised(
    model: str,
    keys: Sequence[tuple[Window, str]],
    groups: NDArray[np.int64],
    features: tuple[str, ...],
    columns: Floats,
    known: Mapping[str, Baseline],
    heavy: Executor | None = None,
) -> list[Profile]:
    """Profiles on a baseline; see `summarise`. `heavy` is used for what is large enough to be worth it."""
    edges = np.stack([known[feature].edges for feature in features])
    words = {f: vocabulary for f in features if (vocabulary := known[f].vocabulary) is not None}
    return summarise(model, keys, groups, features, columns, edges, words, heavy if columns.size >= _LARGE else None)

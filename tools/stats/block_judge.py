"""A combination of attributes as a concurrent contrast, block by block, like the single places and models."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tools.records import MetricRole
from tools.stats.accusation import ALPHA_LEVEL
from tools.stats.contrast import contrast
from tools.stats.cuboids import Combination
from tools.stats.panel import Codes, Panel, Sums, added
from tools.stats.robust import UNKNOWN, Departure, Tail
from tools.stats.suspects import MAX_CELLS, MIN_DENOMINATOR, MODEL, judged, kind_of

FIGURES = (MetricRole.log_loss, MetricRole.calibration, MetricRole.prediction_mean)


class BlockJudge:
    """A combination of places against the rest in strata of model and hour; one that names a model against the other
    models at the same places, in strata of segment and hour. So neither a model is taken for the place that it serves,
    nor other traffic for another model."""

    def __init__(self, panel: Panel, role: MetricRole, tail: Tail, segments: Sequence[str]) -> None:
        self._panel, self._role, self._tail = panel, role, tail
        models = panel.coded(MODEL)
        self._by_model = models.codes, len(models.names)
        self._by_segment = self._key(segments)

    def _key(self, segments: Sequence[str]) -> tuple[Codes, int]:
        """One code for the segments of each row, those with the fewest values first, as far as they are affordable."""
        key, size = np.zeros(len(self._panel), dtype=np.int64), 1
        cells = len(self._panel.blocks.starts) * self._panel.blocks.hours
        for coded in sorted((self._panel.coded(name) for name in segments), key=lambda c: len(c.names)):
            if size * len(coded.names) * cells <= MAX_CELLS:
                key, size = key * len(coded.names) + coded.codes, size * len(coded.names)
        return key, size

    def __call__(self, combination: Combination, rows: NDArray[np.bool_]) -> Departure:
        """The departure of the rows, bool[n], which are those of the combination."""
        places = [pair for pair in combination if pair[0] != MODEL]
        of_model = len(places) < len(combination)
        key, size = self._by_segment if of_model else self._by_model
        group = self._sums(rows, key, size)
        every = self.inside(tuple(places)) if of_model else np.ones(len(rows), dtype=np.bool_)
        others = self._sums(every & ~rows, key, size)
        if min(float(group.den[-1].sum()), float(others.den[-1].sum())) < MIN_DENOMINATOR:
            return UNKNOWN
        return judged(contrast(group, others, kind_of(self._role)), self._tail)

    def of(self, combination: Combination) -> Departure:
        return self(combination, self.inside(combination))

    def inside(self, combination: Combination) -> NDArray[np.bool_]:
        """bool[n]: the rows with these values."""
        rows = np.ones(len(self._panel), dtype=np.bool_)
        for name, value in combination:
            coded = self._panel.coded(name)
            rows &= coded.codes == (coded.names.index(value) if value in coded.names else -1)
        return rows

    def _sums(self, rows: NDArray[np.bool_], key: Codes, size: int) -> Sums:
        panel = self._panel
        shape = (len(panel.blocks.starts), size * panel.blocks.hours)
        block, hour = np.divmod(panel.cells[rows], panel.blocks.hours)
        at = (block * size + key[rows]) * panel.blocks.hours + hour
        return Sums(added(at, panel.num[rows], shape), added(at, panel.den[rows], shape))


def agreed(judges: Mapping[MetricRole, BlockJudge], combination: Combination) -> bool:
    """Whether a second figure of the models moved at a combination, where the product has one: a top line alone may
    leave its earlier range in a storm."""
    figures = [judge.of(combination) for role, judge in judges.items() if role in FIGURES]
    known = [d for d in figures if d.known]
    return not known or any(d.p_value < ALPHA_LEVEL for d in known)

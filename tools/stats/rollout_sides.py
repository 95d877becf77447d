"""The two sides of a rollout: the new snapshot and the others of its model, hour by hour and place by place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.stats.panel import Codes, Floats, Panel, Sums, added
from tools.stats.rollout_timeline import SNAPSHOT
from tools.stats.suspects import MODEL


@dataclass(frozen=True)
class Side:
    """Sums by block, hour and place, float64[K+1, H, V]."""

    num: Floats
    den: Floats

    def since(self, hour: int) -> Sums:
        """The sums from an hour of the blocks on, with strata of hour and place: float64[K+1, strata]."""
        blocks = len(self.num)
        return Sums(self.num[:, hour:].reshape(blocks, -1), self.den[:, hour:].reshape(blocks, -1))

    def now(self, hour: int) -> float:
        """The denominators of the current block from an hour on."""
        return float(self.den[-1, hour:].sum())


@dataclass(frozen=True)
class Sides:
    """In each block the snapshot that was rolled out in it, and the others of the model. `model` is the whole model and
    `rest` all other models, float64[K+1, H]. Snapshots that roll out at the same time are in `model` alone."""

    new: Side
    old: Side
    model: Sums
    rest: Sums

    def share(self) -> Floats:
        """The part of the model's traffic that the new snapshot serves, float64[K+1, H]; 0 without traffic."""
        new, whole = self.new.den.sum(-1), self.model.den
        share: Floats = np.divide(new, whole, out=np.zeros_like(new), where=whole > 0)
        return share

    def shared_hours(self, before: int) -> int:
        """In how many hours of the current block, from `before` on, both sides serve the same place."""
        return int(((self.new.den[-1, before:] > 0) & (self.old.den[-1, before:] > 0)).any(-1).sum())


def sides(panel: Panel, model: str, new: Sequence[str], rivals: Sequence[str], dimension: str | None = None) -> Sides:
    """Split a panel; `new` names the snapshot of each block. With `dimension` its values are places; without, there is
    one. Rivals are left out of the current block, unless nothing else would be left to compare with."""
    blocks, hours = len(panel.blocks.starts), panel.blocks.hours
    snapshots = panel.coded(SNAPSHOT)
    mine = panel.coded(MODEL).codes == panel.coded(MODEL).names.index(model)
    place = panel.coded(dimension) if dimension else None
    codes, count = (place.codes, len(place.names)) if place else (np.zeros(len(panel), dtype=np.int64), 1)
    code_of = {name: i for i, name in enumerate(snapshots.names)}
    wanted = np.array([code_of.get(name, -1) for name in new], dtype=np.int64)
    block = panel.cells // hours
    is_new = mine & (snapshots.codes == wanted[block])
    known = np.array([code_of[name] for name in rivals if name in code_of], dtype=np.int64)
    is_rival = mine & np.isin(snapshots.codes, known) & (block == blocks - 1)
    is_old = mine & ~is_new & ~is_rival
    if not panel.den[is_old & (block == blocks - 1)].sum() > 0:
        is_old = mine & ~is_new
    shape = (blocks, hours, count)

    def side(mask: np.ndarray) -> Side:
        return Side(*_sums(panel, mask, panel.cells * count + codes, shape))

    whole = Sums(*_sums(panel, mine, panel.cells, shape[:2]))
    rest = Sums(*_sums(panel, ~mine, panel.cells, shape[:2]))
    return Sides(side(is_new), side(is_old), whole, rest)


def _sums(panel: Panel, mask: np.ndarray, index: Codes, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    at = index[mask]
    return added(at, panel.num[mask], shape), added(at, panel.den[mask], shape)

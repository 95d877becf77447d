"""Whether the current block of many series at once is outside what their earlier blocks showed: the prediction interval
of `tools.stats.robust.departure`, series by series, as arrays."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from tools.stats.memory import Apart
from tools.stats.profile import Counts, Floats
from tools.stats.robust import MIN_HISTORY, Tail


@dataclass(frozen=True)
class Departures:
    """How far F current values lie from what their history predicts: `effect`, its standard error `scale` and degrees
    of freedom `df`, float64[F], NaN where nothing can be said; `blocks` int64[F] earlier blocks were known."""

    effect: Floats
    scale: Floats
    df: Floats
    blocks: Counts

    def at_least(self, other: Apart) -> "Departures":
        """The same effects, judged by whichever standard error is the larger one.

        Where that is the history's, what it has beyond the other's is known as well as the history is, and the rest as
        well as the other (Satterthwaite 1946); in all no better than the other.
        """
        own = np.square(np.where(np.isfinite(other.error), other.error, 0.0))
        beyond = np.maximum(self.scale**2 - own, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            df = (own + beyond) ** 2 / (own**2 / other.df + beyond**2 / self.df)
        return Departures(self.effect, np.sqrt(own + beyond), np.fmin(df, other.df), self.blocks)

    def with_df(self, most: float) -> "Departures":
        """The same, judged by no more than so many degrees of freedom."""
        return Departures(self.effect, self.scale, np.fmin(self.df, most), self.blocks)

    def p_values(self, tail: Tail, floor: Floats | float = 0.0) -> Floats:
        """Student's t, judged by a standard error of at least `floor` (added in squares, taken to be known as well as
        all of the history's blocks would allow; degrees of freedom of Welch and Satterthwaite 1946)."""
        scale, df = self._with(floor)
        size = {"low": -self.effect, "high": self.effect, "both": np.abs(self.effect)}[tail]
        p = special.stdtr(df, -size / scale) * (2 if tail == "both" else 1)
        return np.asarray(np.minimum(p, 1.0))

    def half(self, floor: Floats | float = 0.0) -> Floats:
        """Half the width of the 95% interval of each effect."""
        scale, df = self._with(floor)
        return np.asarray(-special.stdtrit(df, 0.025) * scale)

    def _with(self, floor: Floats | float) -> tuple[Floats, Floats]:
        with np.errstate(invalid="ignore", divide="ignore"):
            df = (self.scale**2 + np.square(floor)) ** 2 / (
                self.scale**4 / self.df + np.square(np.square(floor)) / np.maximum(self.blocks - 1, self.df)
            )
        return np.hypot(self.scale, floor), df


def departures(history: Floats, current: Floats, noise: Floats | None = None) -> Departures:
    """Test `current` float64[F] against `history` float64[K, F], oldest first; unknown (NaN) blocks are left out.

    Correlation between neighbouring blocks lowers the effective number of blocks. With `noise` float64[K + 1, F]
    (standard errors from within the blocks, the current one last) the interval widens where the current block is
    noisier than was usual.
    """
    known = np.isfinite(history)
    count = known.sum(axis=0)
    said = (count >= MIN_HISTORY) & np.isfinite(current)
    order = np.argsort(~known, axis=0, kind="stable")
    values = np.where(np.take_along_axis(known, order, axis=0), np.take_along_axis(history, order, axis=0), 0.0)
    used = np.arange(len(history))[:, None] < count
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        middle = values.sum(axis=0) / count
        left = np.where(used, values - middle, 0.0)
        scale, df = _scales(left, count)
        if noise is not None:
            scale = scale * _noisier(np.where(known, noise[:-1], np.nan), noise[-1])
        effect = current - middle
    effect, scale, df = (np.where(said, part, np.nan) for part in (effect, scale, df))
    return Departures(effect, scale, df, np.where(said, count, 0))


def _scales(left: Floats, count: Counts) -> tuple[Floats, Floats]:
    """The standard error of each prediction and its degrees of freedom; residuals may be correlated in time."""
    square = (left**2).sum(axis=0)
    tiny = 1e-12 + 1e-9 * np.abs(left).max(axis=0, initial=0.0)
    rho = np.where(square > 0, np.clip((left[1:] * left[:-1]).sum(axis=0) / square, 0.0, 0.8), 0.0)
    effective = count * (1 - rho) / (1 + rho)
    variance = square / np.maximum(count - count / effective, 2.0)
    return np.maximum(np.sqrt(variance * (1 + 1 / effective)), tiny), np.maximum(effective - 1, 2.0)


def _noisier(noise: Floats, now: Floats) -> Floats:
    """How much noisier than usual each current block is inside; never less than one."""
    usual = np.full(noise.shape[1], np.nan)
    known = np.isfinite(noise).any(axis=0)
    usual[known] = np.nanmedian(noise[:, known], axis=0)
    ratio = np.divide(now, usual, out=np.ones(len(now)), where=np.isfinite(now) & (usual > 0))
    return np.asarray(np.maximum(ratio, 1.0))

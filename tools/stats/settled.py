"""Hours whose labels have not all arrived say less than they seem to: what came early differs from what comes late."""

from dataclasses import replace

import numpy as np

from tools.records import Cube
from tools.stats.blocks import Blocks
from tools.stats.panel import Floats, sound_points

SETTLED = 0.7
"""The share of the usual label coverage that an hour must have reached."""


def settled(labels: Cube, traffic: Cube, blocks: Blocks) -> Blocks:
    """The blocks without the last hours of the window whose labels are still on their way.

    Compares labelled with served impressions hour by hour against the same hour of the baseline blocks. Only trailing
    hours are cut, of every block alike. Where all hours lack labels, waiting is not the reason, and nothing is cut.
    """
    coverage = _coverage(labels, traffic, blocks)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(coverage[:-1]).any(axis=0)
        usual = np.full(blocks.hours, np.nan)
        usual[known] = np.nanmedian(coverage[:-1][:, known], axis=0)
        arrived = np.flatnonzero(~(coverage[-1] < SETTLED * usual))
    return replace(blocks, hours=int(arrived[-1]) + 1) if len(arrived) else blocks


def _coverage(labels: Cube, traffic: Cube, blocks: Blocks) -> Floats:
    """Labelled per served impression, float64[K+1, H]; NaN where nothing was served."""
    labelled, served = _denominators(labels, blocks), _denominators(traffic, blocks)
    coverage: Floats = np.divide(labelled, served, out=np.full(served.shape, np.nan), where=served > 0)
    return coverage


def _denominators(cube: Cube, blocks: Blocks) -> Floats:
    cells = blocks.cells(cube.ts)
    use = (cells >= 0) & sound_points(cube)
    shape = (len(blocks.starts), blocks.hours)
    summed = np.bincount(cells[use], weights=cube.denominator[use], minlength=shape[0] * shape[1])
    return summed.astype(np.float64).reshape(shape)

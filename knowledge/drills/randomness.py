"""Seeded chance. Each use has a stream of its own, so that a fault changes nothing but what it touches."""

import zlib

import numpy as np
from numpy.typing import NDArray


def stream(seed: int, purpose: str, day: int = 0) -> np.random.Generator:
    """The generator of one purpose on one day."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), day])


def hash_share(ids: NDArray[np.int64], salt: str) -> NDArray[np.float64]:
    """A consistent hash of ids to [0, 1): the finaliser of SplitMix64 (Steele et al. 2014)."""
    offset = zlib.crc32(salt.encode()) * 0x9E3779B97F4A7C15 % (1 << 64)
    z = ids.astype(np.uint64) + np.uint64(offset)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    share: NDArray[np.float64] = (z >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return share

"""What can be counted in a snapshot's weights, without knowing how large an update usually is."""

from collections.abc import Mapping, Sequence
from typing import Literal

from tools.stats.novelty import MIN_HISTORY
from tools.stats.tensor_change import TensorChange

StructureName = Literal["non_finite", "cast", "stale", "partial_load"]
CAST_SHARE, CAST_SHARE_BEFORE, CAST_ELEMENTS = 0.99, 0.5, 32

Changes = Mapping[str, TensorChange]
Found = tuple[StructureName, tuple[str, ...], str]


def broken(current: Changes) -> Found | None:
    """Numbers that are none, or that went through another type."""
    return _non_finite(current) or _cast(current)


def old_values(
    current: Changes, past: Sequence[Changes], trained: Sequence[str], copies: Mapping[str, str]
) -> Found | None:
    """Nothing moved, or tensors that moved in every earlier step kept their values or hold those of `copies`: tensor →
    the older snapshot that it equals."""
    still = [
        name
        for name in trained
        if current[name].changed == 0 and all(step[name].changed > 0 for step in past if name in step)
    ]
    if current and not any(change.changed for change in current.values()):
        return "stale", tuple(still or sorted(current)), "no weight differs from the snapshot before"
    if len(past) < MIN_HISTORY:
        still = []
    if not (still or copies):
        return None
    kept = f"{len(still)} of {len(trained)} tensors kept their old values, which they never did before"
    parts = [kept] if still else []
    for snapshot in sorted(set(copies.values())):
        names = [name for name in sorted(copies) if copies[name] == snapshot]
        parts.append(f"{len(names)} of {len(trained)} tensors are those of {snapshot}, value for value")
    ordered = sorted([*still, *copies], key=lambda name: (-current[name].elements, name))
    return "partial_load", tuple(ordered), "; ".join(parts)


def _non_finite(current: Changes) -> Found | None:
    names = [name for name, change in current.items() if change.non_finite > change.non_finite_before]
    names.sort(key=lambda name: (-current[name].non_finite, name))
    if not names:
        return None
    count = sum(current[name].non_finite for name in names)
    return "non_finite", tuple(names), f"{count} weights of {len(names)} tensors are NaN or infinite"


def _cast(current: Changes) -> Found | None:
    names = [name for name, change in sorted(current.items()) if change.retyped or _went_through_16_bits(change)]
    if not names:
        return None
    return "cast", tuple(names), f"the values of {len(names)} tensors went through another number type"


def _went_through_16_bits(change: TensorChange) -> bool:
    return (
        change.elements >= CAST_ELEMENTS and change.rounded >= CAST_SHARE and change.rounded_before < CAST_SHARE_BEFORE
    )

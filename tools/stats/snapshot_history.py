"""The earlier updates of a model that a snapshot's update is held against."""

from collections.abc import Sequence
from typing import NamedTuple

from tools.ports import Ports, UnreadableArtifact
from tools.records import Snapshot, Standing
from tools.stats.tensor_change import TensorChange
from tools.stats.weight_change import VERSION, WeightChange, as_text, from_text
from tools.stats.weight_copies import equal, older_copies

LONGEST_HISTORY = 30


class History(NamedTuple):
    """Earlier updates, oldest first, by the snapshots that they lead from and to; and what could not be read."""

    pairs: list[tuple[str, str]]
    steps: list[WeightChange]
    unread: list[str]

    @property
    def changes(self) -> list[dict[str, TensorChange]]:
        return [dict(step.tensors) for step in self.steps]


def choose(snapshot: Snapshot, line: Sequence[Snapshot], against: str | None) -> Snapshot | str:
    """The snapshot to compare with: the one named, or the newest stable one before, or the one before; or why there is
    none."""
    earlier = [s for s in line[: _place(line, snapshot)] if s.published_at < snapshot.published_at]
    if against is not None:
        named = next((s for s in earlier if s.snapshot == against), None)
        return (
            named or f"{against!r} is no snapshot of {snapshot.model} before {snapshot.snapshot}; name an earlier one"
        )
    if not earlier:
        return f"{snapshot.snapshot} is the first snapshot of {snapshot.model}; there is nothing to compare it with"
    stable = [s for s in earlier if s.standing is Standing.stable]
    return (stable or earlier)[-1]


def _place(line: Sequence[Snapshot], snapshot: Snapshot) -> int:
    return [s.snapshot for s in line].index(snapshot.snapshot)


def change_between(ports: Ports, before: Snapshot, after: Snapshot) -> WeightChange:
    """How the weights of two snapshots differ. Raises `UnreadableArtifact`, also where one has none."""
    text = ports.weights.compared(before.snapshot, after.snapshot, as_text, VERSION)
    if text is None:
        missing = next((s for s in (before, after) if not ports.weights.weights(s.snapshot)), after)
        raise UnreadableArtifact(f"{missing.snapshot} has no weights to read; publish it with its artifact")
    return from_text(text)


def earlier_pairs(line: Sequence[Snapshot], snapshot: Snapshot, against: Snapshot) -> list[tuple[Snapshot, Snapshot]]:
    """The pairs of earlier snapshots that lie as far apart as these two, oldest first: like is compared with like.

    Pairs with a snapshot that is known to be bad or suspect teach nothing about what is usual.
    """
    end, gap = _place(line, against) + 1, _place(line, snapshot) - _place(line, against)
    doubtful = (Standing.bad, Standing.suspect)
    return [
        (line[place - gap], line[place])
        for place in range(gap, end)
        if line[place - gap].standing not in doubtful and line[place].standing not in doubtful
    ][-LONGEST_HISTORY:]


def history_of(ports: Ports, line: Sequence[Snapshot], snapshot: Snapshot, against: Snapshot) -> History:
    """The changes between the earlier pairs of snapshots, as far as they can be read."""
    history = History([], [], [])
    for old, new in earlier_pairs(line, snapshot, against):
        try:
            history.steps.append(change_between(ports, old, new))
        except UnreadableArtifact as refused:
            history.unread.append(f"the update from {old.snapshot} to {new.snapshot}: {refused}")
            continue
        history.pairs.append((old.snapshot, new.snapshot))
    return history


def copies_of_older(ports: Ports, snapshot: Snapshot, current: WeightChange, history: History) -> dict[str, str]:
    """Tensor → the older snapshot whose very values it holds: fingerprints say where to look, and then all are read."""
    past = [(new, step.tensors) for (_, new), step in zip(history.pairs, history.steps, strict=True)]
    found = older_copies(current.tensors, past)
    return {name: old for name, old in sorted(found.items()) if _is_copy(ports, snapshot.snapshot, old, name)}


def _is_copy(ports: Ports, snapshot: str, old: str, name: str) -> bool:
    try:
        one, other = ports.weights.weights(snapshot), ports.weights.weights(old)
    except UnreadableArtifact:
        return False
    return one is not None and other is not None and name in other and equal(one[name], other[name])

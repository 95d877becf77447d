"""The confirming stage of feature ranking: what features count for in the served snapshots, and what changed."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.ports import PortError, Ports, UnreadableArtifact
from tools.program.ablation.importance import FirstWeights, Importances, features_of_program, importances
from tools.records import Samples, Snapshot, Window
from tools.stats.contributions import LEAST_HOURS, Contributions, Ruling, contributions
from tools.stats.importance_change import LEAST_DAYS, ImportanceChanges, importance_changes, standing
from tools.stats.snapshot_history import History, change_between, choose, earlier_pairs, history_of
from tools.stats.weight_change import WeightChange

Floats = NDArray[np.float64]

ROWS = 512
LEAST_ROWS = 100
MOST_FEATURES = 500
"""So many features are taken away where not all are asked for: those of the shortlist, and others evenly."""
MOST_PAST = 15
SURE_OF_DAY = 0.01


@dataclass(frozen=True)
class Importance:
    """One feature. `before` and `now` are the mean absolute change of the prediction when it is taken away, on the same
    rows; `low` and `high` the 95% interval of their difference, `z` and `q` where it stands against the feature's own
    past. `explains` is the share of the predictions' shift (NaN where they did not shift), `amount` the same in their
    unit with its interval. `update_z`: the update of its first weights against their past."""

    feature: str
    before: float
    now: float
    low: float
    high: float
    z: float
    q: float
    changed: bool
    amount: float
    amount_low: float
    amount_high: float
    explains: float
    ruling: Ruling
    update: float
    update_z: float


@dataclass(frozen=True)
class Confirmation:
    """What came of it, for `looked` of the snapshot's `known` features.

    `changed` says whether the importance of a feature changed by more than on any ordinary day: that of `furthest`;
    None where there is too little history. `p_day`: how often an ordinary day has one as far out. `shift` is that of
    the mean prediction from the rows before the window to those in it. `not_checked` and `would_settle` are sentences.
    """

    snapshot: str
    against: str | None
    features: Mapping[str, Importance]
    rows: int
    days: int
    looked: int
    known: int
    changed: bool | None
    furthest: str | None
    p_day: float
    shift: float
    shift_low: float
    shift_high: float
    not_checked: tuple[str, ...]
    would_settle: tuple[str, ...]

    def without_drift(self, drifted: Collection[str]) -> bool | None:
        """Whether an importance changed although the feature itself is as it was: then the snapshot is to be asked."""
        return None if self.changed is None else bool(self.changed and self.furthest not in drifted)


def confirm(
    ports: Ports, model: str, window: Window, shortlist: Sequence[str], everything: bool = False
) -> Confirmation | str:
    """Take features away from the snapshot that serves the model, and from the last stable one, on the same rows.

    All features where `everything` is asked or there are few; else those of the shortlist and some others, by which
    "usual" is told. Answers with the reason where nothing could be run.
    """
    try:
        samples = ports.samples.recent(model, window.end, ROWS)
    except PortError as refused:
        return f"what the features count for: {refused}"
    if len(samples) < LEAST_ROWS:
        return (
            f"what the features count for: {len(samples)} recent samples of {model}, and {LEAST_ROWS} are needed; "
            "send more"
        )
    line = list(ports.models.snapshots(model))
    snapshot = _serving(samples, line)
    if snapshot is None:
        return f"what the features count for: the samples of {model} name no snapshot that is known; send its record"
    try:
        known = ports.programs.examine(features_of_program, [snapshot.snapshot])
        chosen = _chosen(known, shortlist, everything)
        now = ports.programs.examine(importances, [snapshot.snapshot], samples, chosen)
    except PortError as refused:
        return f"what the features count for: {refused}"
    return _Stage(ports, window, line, snapshot, samples, now, chosen).answer(len(known) or len(now.features))


def _serving(samples: Samples, line: Sequence[Snapshot]) -> Snapshot | None:
    """The snapshot that served most of the newest half of the samples."""
    newest = samples.snapshot[len(samples) // 2 :].tolist()
    names = sorted(Counter(newest).items(), key=lambda named: (-named[1], named[0]))
    known = {snapshot.snapshot: snapshot for snapshot in line}
    return next((known[name] for name, _ in names if name in known), None)


def _chosen(known: Sequence[str], shortlist: Sequence[str], everything: bool) -> tuple[str, ...] | None:
    """The features to take away; None for all."""
    if everything or len(known) <= MOST_FEATURES:
        return None
    listed = [name for name in shortlist if name in known][:MOST_FEATURES]
    others = [name for name in known if name not in set(listed)]
    places = np.linspace(0, len(others) - 1, MOST_FEATURES - len(listed)).astype(np.int64)
    return (*listed, *(others[place] for place in np.unique(places)))


class _Stage:
    """The figures of one snapshot against those of the last stable one, and of the pairs before."""

    def __init__(
        self,
        ports: Ports,
        window: Window,
        line: Sequence[Snapshot],
        snapshot: Snapshot,
        samples: Samples,
        now: Importances,
        chosen: tuple[str, ...] | None,
    ) -> None:
        self._ports, self._window, self._line, self._snapshot = ports, window, line, snapshot
        self._samples, self._now, self._chosen = samples, now, chosen
        self._not_checked: list[str] = []
        self._would_settle: list[str] = []
        chosen_against = choose(snapshot, line, None)
        self._against = None if isinstance(chosen_against, str) else chosen_against
        if isinstance(chosen_against, str):
            self._not_checked.append(f"whether the importance of a feature changed: {chosen_against}")

    def answer(self, known: int) -> Confirmation:
        parts = self._contributions()
        changes = self._changes()
        updates, update_z = self._updates()
        names = self._now.features
        furthest = names[changes.furthest] if changes and changes.furthest is not None else None
        changed = None
        if changes is not None and changes.days >= LEAST_DAYS:
            place = changes.furthest
            changed = place is not None and bool(
                changes.changed[place] and changes.beyond and changes.p_day <= SURE_OF_DAY
            )
        return Confirmation(
            snapshot=self._snapshot.snapshot,
            against=self._against.snapshot if self._against else None,
            features={
                name: _importance(name, place, self._now, changes, parts, updates[place], update_z[place])
                for place, name in enumerate(names)
            },
            rows=len(self._now.predictions),
            days=changes.days if changes else 0,
            looked=len(names),
            known=known,
            changed=changed,
            furthest=furthest,
            p_day=changes.p_day if changes else float("nan"),
            shift=parts.shift if parts else float("nan"),
            shift_low=parts.shift_low if parts else float("nan"),
            shift_high=parts.shift_high if parts else float("nan"),
            not_checked=(*self._not_checked, *self._now.notes[:3]),
            would_settle=tuple(self._would_settle),
        )

    def _contributions(self) -> Contributions | None:
        """What the features add to the predictions in the window, against before it; both of the serving snapshot."""
        before = self._ports.samples.recent(self._snapshot.model, self._window.start, ROWS)
        if len(before) < LEAST_ROWS:
            self._not_checked.append("how much of the predictions' shift a feature explains: too few earlier samples")
            return None
        inside = self._now.ts >= self._window.start.timestamp()
        then = self._of(self._snapshot, before)
        if then is None or inside.sum() < LEAST_ROWS:
            return None
        sound_now = inside & _sound(self._now)
        sound_then = _sound(then)
        parts = contributions(
            then.differences[sound_then],
            self._now.differences[sound_now],
            then.predictions[sound_then],
            self._now.predictions[sound_now],
            then.ts[sound_then],
            self._now.ts[sound_now],
        )
        if np.isnan(parts.shift_low):
            self._not_checked.append(
                f"how much of the predictions' shift a feature explains: the newest {ROWS} samples of the window, or "
                f"those before it, come from fewer than {LEAST_HOURS} hours"
            )
        return parts

    def _changes(self) -> ImportanceChanges | None:
        if self._against is None:
            return None
        against = self._of(self._against, self._samples)
        if against is None:
            return None
        sound = _sound(self._now) & _sound(against)
        if sound.sum() < LEAST_ROWS:
            self._not_checked.append("whether the importance of a feature changed: too few rows with predictions")
            return None
        past = self._past(sound)
        if len(past) < LEAST_DAYS:
            self._not_checked.append(
                f"whether the importance of a feature changed: only {len(past)} earlier pairs of snapshots, and "
                f"{LEAST_DAYS} say what is usual"
            )
            self._would_settle.append(f"more published snapshots of {self._snapshot.model} as exported programs")
        before, now = np.abs(against.differences[sound]), np.abs(self._now.differences[sound])
        return importance_changes(before, now, past, self._now.ts[sound])  # what came in one moment is one request

    def _past(self, sound: NDArray[np.bool_]) -> Floats:
        """float64[pairs, 2, F]: the importances of earlier pairs of snapshots on the same rows."""
        assert self._against is not None
        kept: dict[str, Floats | None] = {}
        found = []
        for pair in earlier_pairs(self._line, self._snapshot, self._against)[-MOST_PAST:]:
            for one in pair:
                if one.snapshot not in kept:
                    told = self._of(one, self._samples)
                    usable = told is not None and bool(_sound(told)[sound].all())
                    kept[one.snapshot] = (
                        np.abs(told.differences[sound]).mean(axis=0) if told is not None and usable else None
                    )
            old, new = (kept[one.snapshot] for one in pair)
            if old is not None and new is not None:
                found.append(np.stack([old, new]))
        return np.stack(found) if found else np.empty((0, 2, len(self._now.features)))

    def _of(self, snapshot: Snapshot, samples: Samples) -> Importances | None:
        """The importances of another snapshot or of other rows; None, and a sentence, where they cannot be had."""
        try:
            told = self._ports.programs.examine(importances, [snapshot.snapshot], samples, self._chosen)
        except PortError as refused:
            self._not_checked.append(f"what the features count for in {snapshot.snapshot}: {refused}")
            return None
        paired = samples is not self._samples or np.array_equal(told.ts, self._now.ts)
        if told.features != self._now.features or not paired:
            self._not_checked.append(
                f"what the features count for in {snapshot.snapshot}: it takes other features, or other numbers of rows"
            )
            return None
        return told

    def _updates(self) -> tuple[Floats, Floats]:
        """The size of the update of each feature's first weights, and its z against the days before; NaN where not
        known."""
        unknown = np.full(len(self._now.features), np.nan)
        if self._against is None:
            return unknown, unknown
        try:
            current = change_between(self._ports, self._against, self._snapshot)
            history = history_of(self._ports, self._line, self._snapshot, self._against)
        except UnreadableArtifact:
            return unknown, unknown
        return update_norms(self._now.features, self._now.weights, current, history)


def update_norms(
    features: Sequence[str], weights: FirstWeights, current: WeightChange, history: History
) -> tuple[Floats, Floats]:
    """The Euclidean norm of the update of what a feature meets first (its columns of a matrix, its table), and how far
    it lies, in robust scales of its own past, from what the other features' updates would make of it."""
    now = np.array([_norm(weights.get(feature, ()), current) for feature in features])
    past = np.array([[_norm(weights.get(feature, ()), step) for feature in features] for step in history.steps])
    z = np.full(len(features), np.nan)
    known = np.isfinite(now) & (now > 0)
    if len(past) >= LEAST_DAYS:
        known &= np.isfinite(past).all(axis=0) & (past > 0).all(axis=0)
        if known.sum() > 1:
            z[known] = standing(_apart(past[:, known]), _apart(now[None, known])[0])
    return now, z


def _apart(norms: Floats) -> Floats:
    logs: Floats = np.log(norms)
    return logs - np.median(logs, axis=1, keepdims=True)


def _norm(met: Sequence[tuple[str, tuple[int, ...] | None]], change: WeightChange) -> float:
    squares = []
    for name, columns in met:
        tensor = change.tensors.get(name)
        if tensor is None:
            continue
        if columns is None:
            squares.append(tensor.update**2)
        elif tensor.columns and max(columns) < len(tensor.columns):
            squares += [tensor.columns[column] ** 2 for column in columns]
    return float(np.sqrt(sum(squares))) if squares else float("nan")


def _sound(told: Importances) -> NDArray[np.bool_]:
    """The rows with a prediction, with and without every feature."""
    sound: NDArray[np.bool_] = np.isfinite(told.predictions) & np.isfinite(told.differences).all(axis=1)
    return sound


def _importance(
    name: str,
    place: int,
    now: Importances,
    changes: ImportanceChanges | None,
    parts: Contributions | None,
    update: float,
    update_z: float,
) -> Importance:
    nan = float("nan")
    sound = _sound(now)
    return Importance(
        feature=name,
        before=float(changes.before[place]) if changes else nan,
        now=float(np.abs(now.differences[sound, place]).mean()) if sound.any() else nan,
        low=float(changes.low[place]) if changes else nan,
        high=float(changes.high[place]) if changes else nan,
        z=float(changes.z[place]) if changes else nan,
        q=float(changes.q[place]) if changes else nan,
        changed=bool(changes.changed[place]) if changes else False,
        amount=float(parts.amount[place]) if parts else nan,
        amount_low=float(parts.low[place]) if parts else nan,
        amount_high=float(parts.high[place]) if parts else nan,
        explains=parts.share(place) if parts else nan,
        ruling=parts.rulings[place] if parts else "open",
        update=float(update),
        update_z=float(update_z),
    )

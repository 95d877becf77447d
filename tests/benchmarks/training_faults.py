"""Twenty kinds of fault to plant in one day of the small DLRM, with the place where each is to be found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tests.benchmarks.training_world import DENSE, TABLES, USUAL, Rows, State, Trainer, Training

OLD_DAYS = 8  # how old the layer is that a partial load brings back

Publish = Callable[[State, list[State], np.random.Generator], State]
Spoil = Callable[[Rows, np.random.Generator], None]


def _as_trained(state: State, _past: list[State], _rng: np.random.Generator) -> State:
    return state


@dataclass(frozen=True)
class Fault:
    """What goes wrong on one day, and where it shows.

    `kind` groups variants of one kind. `tensors` are the prefixes of the names of which any is the right one, empty
    where the fault is in no particular tensor; `column` the right column of it. `training` is how the day is trained,
    and `published` makes of its weights and those of the days before (oldest first) what is published.
    """

    kind: str
    variant: str = ""
    tensors: tuple[str, ...] = ()
    column: int | None = None
    training: Training = USUAL
    published: Publish = _as_trained


@dataclass(frozen=True)
class Places:
    """Where the faults of a seed hit: a dense column, two tables, and a layer of the top net."""

    column: int
    table: int
    other: int
    layer: str

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Places":
        """Any of them, with the same chance."""
        table, other = rng.choice(TABLES, 2, replace=False)
        return cls(int(rng.integers(DENSE)), int(table), int(other), f"top.{rng.choice([0, 2])}.")


def faults(places: Places) -> list[Fault]:
    """All variants of the twenty kinds."""
    return [*_of_training(), *_of_inputs(places), *_of_publishing(places)]


def _of_training() -> list[Fault]:
    return [
        Fault("learning rate × 50", training=Training(rate=50.0)),
        Fault("learning rate × 5", training=Training(rate=5.0)),
        Fault("learning rate × 0.2", training=Training(rate=0.2)),
        Fault("labels flipped", training=Training(rows=_flip(1.0))),
        Fault("labels flipped in a fifth", training=Training(rows=_flip(0.2))),
        Fault("labels zeroed", training=Training(rows=_zero_labels)),
        Fault("batches skipped", "half", training=Training(share_of_steps=0.5)),
        Fault("batches skipped", "nine in ten", training=Training(share_of_steps=0.1)),
        Fault("optimiser state corrupt", training=Training(optimiser=_shrink_second_moments)),
        Fault("optimiser reset", training=Training(optimiser=lambda optimiser: optimiser.state.clear())),
    ]


def _of_inputs(places: Places) -> list[Fault]:
    first, column = ("bottom.0.weight",), places.column
    return [
        Fault("feature × 1000", "", first, column, Training(rows=_scale(column, 1000.0))),
        Fault("feature × 10", "", first, column, Training(rows=_scale(column, 10.0))),
        Fault("feature constant", "", first, column, Training(rows=_stuck(column))),
        Fault("feature missing", "", (f"tables.{places.table}.",), None, Training(rows=_missing(places.table))),
    ]


def _of_publishing(places: Places) -> list[Fault]:
    table, other, layer = f"tables.{places.table}.", f"tables.{places.other}.", places.layer
    return [
        Fault("layer frozen", "", (layer,), training=Training(frozen=(layer,))),
        Fault("table reset", "", (table,), published=_fresh_table(table)),
        Fault("tables swapped", "", (table, other), published=_swap(table, other)),
        Fault("partial load", "old", (layer,), published=_old_layer(layer)),
        Fault("partial load", "random", (layer,), published=_random_layer(layer)),
        Fault("noise", published=_noisy),
        Fault("cast to bfloat16", published=_through_bfloat16),
        Fault("stale copy", published=lambda _state, past, _rng: dict(past[-1])),
    ]


@dataclass(frozen=True)
class History:
    """Snapshots of the days up to a fault (`states`, oldest first), the normal days after them, and what each fault
    published instead of the first of these."""

    states: list[State]
    normal: list[State]
    faulty: list[tuple[Fault, State]]


def history(seed: int, warm_up: int, days: int, normal_days: int) -> History:
    """Trains `warm_up` + `days` days, then each fault from there, and then `normal_days` days without any."""
    trainer, rng = Trainer.start(seed), np.random.default_rng([seed, 1])
    states = [trainer.day() for _ in range(warm_up + days)]
    sound = trainer.branch().day()
    faulty = []
    for fault in faults(Places.draw(rng)):
        trained = sound if fault.training is USUAL else trainer.branch().day(fault.training)
        faulty.append((fault, fault.published(trained, states, rng)))
    return History(states[warm_up:], [trainer.day() for _ in range(normal_days)], faulty)


def _flip(share: float) -> Spoil:
    def spoil(rows: Rows, rng: np.random.Generator) -> None:
        hit = rng.random(len(rows.labels)) < share
        rows.labels[hit] = 1 - rows.labels[hit]

    return spoil


def _zero_labels(rows: Rows, rng: np.random.Generator) -> None:
    """In half of the rows: the answers of half of the servers were lost."""
    rows.labels[rng.random(len(rows.labels)) < 0.5] = 0


def _scale(column: int, factor: float) -> Spoil:
    def spoil(rows: Rows, _rng: np.random.Generator) -> None:
        rows.dense[:, column] *= factor

    return spoil


def _stuck(column: int) -> Spoil:
    """The value of the first row in all of them."""

    def spoil(rows: Rows, _rng: np.random.Generator) -> None:
        rows.dense[:, column] = rows.dense[0, column]

    return spoil


def _missing(table: int) -> Spoil:
    """The id that stands for "not known" in all rows."""

    def spoil(rows: Rows, _rng: np.random.Generator) -> None:
        rows.ids[:, table] = 0

    return spoil


def _shrink_second_moments(optimiser: torch.optim.Adam) -> None:
    for state in optimiser.state.values():
        state["exp_avg_sq"] *= 1e-4


def _of(state: State, prefix: str) -> list[str]:
    return [name for name in state if name.startswith(prefix)]


def _fresh_table(table: str) -> Publish:
    def publish(state: State, _past: list[State], rng: np.random.Generator) -> State:
        return {**state, **{name: _normal(rng, state[name].shape, 0.05) for name in _of(state, table)}}

    return publish


def _swap(table: str, other: str) -> Publish:
    def publish(state: State, _past: list[State], _rng: np.random.Generator) -> State:
        (one,), (two,) = _of(state, table), _of(state, other)
        return {**state, one: state[two], two: state[one]}

    return publish


def _old_layer(layer: str) -> Publish:
    def publish(state: State, past: list[State], _rng: np.random.Generator) -> State:
        return {**state, **{name: past[-OLD_DAYS][name] for name in _of(state, layer)}}

    return publish


def _random_layer(layer: str) -> Publish:
    """As `nn.Linear` draws its weights at the start."""

    def publish(state: State, _past: list[State], rng: np.random.Generator) -> State:
        reach = state[f"{layer}weight"].shape[1] ** -0.5
        fresh = {name: rng.uniform(-reach, reach, state[name].shape).astype(np.float32) for name in _of(state, layer)}
        return {**state, **fresh}

    return publish


def _noisy(state: State, _past: list[State], rng: np.random.Generator) -> State:
    """A tenth of each tensor's deviation."""
    return {name: value + _normal(rng, value.shape, 0.1 * float(value.std())) for name, value in state.items()}


def _through_bfloat16(state: State, _past: list[State], _rng: np.random.Generator) -> State:
    return {name: torch.from_numpy(value).bfloat16().float().numpy() for name, value in state.items()}


def _normal(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> NDArray[np.float32]:
    return (deviation * rng.normal(size=shape)).astype(np.float32)

"""The walk through a snapshot's graph: what is bad, where it begins, what it does, and what would help.

Runs where the programs are (`tools.ports.ProgramsPort.examine`); everything that goes in and comes out can be pickled.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tools.ports import PortError
from tools.program.badness import Badness
from tools.program.description import Statistics, describe
from tools.program.downstream import Effect
from tools.program.graph import Node, Program
from tools.program.healing import Healer, ends, starts
from tools.program.interpreter import Interpreter
from tools.program.modules import Picture, picture
from tools.program.runs import NothingLeft, Run, features_filled_by_serving, run, run_stable, with_baselines
from tools.program.suggestions import Suggestion, suggest
from tools.program.tables import UnknownIds
from tools.program.upstream import Trace, trace
from tools.program.values import output_names
from tools.program.weight_swap import by_lost_weights, by_weights
from tools.program.yardstick import RowMaxima, Yardstick, measure
from tools.records import Samples

MOST_DESCRIBED = 20
"""Bad values that are described in full, the first ones in the order of computation."""

Problem = Literal["non_finite", "extreme"]


@dataclass(frozen=True)
class Question:
    """The samples to run the snapshot on, and those from before them. `names` are of the snapshots, in their order."""

    names: tuple[str, ...]
    samples: Samples
    earlier: Samples
    everything: bool = False


@dataclass(frozen=True)
class Described:
    """A value in full: the node that gives it, its statistics, and those in the stable snapshot on the same rows."""

    node: Node
    value: str
    now: Statistics
    stable: Statistics | None


@dataclass(frozen=True)
class Bad:
    """What reaches the predictions. `new` says whether the stable snapshot is free of it on the same rows; None where
    that is not known. `values` is the number of bad values, `first` the node that gives the first one, and `mixes` the
    one through which rows spoil others."""

    problem: Problem
    trace: Trace
    first: Node | None
    mixes: Node | None
    values: int
    described: tuple[Described, ...]
    effect: Effect | None
    suggestions: tuple[Suggestion, ...]
    new: bool | None


@dataclass(frozen=True)
class Walk:
    """What was found. `bad` is None where nothing bad reaches a prediction.

    `no_yardstick` says why extremes could not be judged, `harmless` names values that are larger than usual or not
    finite, and move no prediction. `times` are the rows' times (unix seconds). `measured` is the number of values.
    """

    times: np.ndarray
    measured: int = 0
    bad: Bad | None = None
    unknown: tuple[UnknownIds, ...] = ()
    harmless: tuple[str, ...] = ()
    no_yardstick: str | None = None
    unmatched: int = 0
    earlier: int = 0
    everything: tuple[Described, ...] = ()
    picture: Picture | None = None
    caveats: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.times)


def walk(programs: Sequence[Program], question: Question) -> Walk:
    """Walk the first program's graph on the samples; the second one, if there is one, is the stable snapshot.

    Raises `PortError` where the snapshot cannot be run on them, with the operator or the input at which it fails.
    """
    now = run(programs[0], question.samples, question.everything)
    if isinstance(now, NothingLeft):
        return Walk(question.samples.ts, unknown=now.unknown, caveats=programs[0].notes)
    stable = run_stable(programs[1:], now.rows.samples, question.everything)
    runs = [now] if isinstance(stable, str) else [now, stable]
    filled = features_filled_by_serving(dict(zip(question.names, runs, strict=False)))
    if filled:
        programs = [with_baselines(program, filled) for program in programs]
        now = run(programs[0], now.rows.samples, question.everything)
        assert isinstance(now, Run)  # the same rows as before
        stable = run_stable(programs[1:], now.rows.samples, question.everything)
    earlier = None if isinstance(stable, str) else _maxima(programs[1], question.earlier)
    yardstick = None if isinstance(stable, str) else measure(now.program, stable.program, stable.ranges, earlier)
    bad, harmless = _judge(now, None if isinstance(stable, str) else stable, yardstick, question.earlier)
    return Walk(
        times=now.rows.samples.ts,
        measured=len(now.ranges),
        bad=bad,
        unknown=now.unknown,
        harmless=harmless,
        no_yardstick=stable if isinstance(stable, str) else None,
        unmatched=yardstick.unmatched if yardstick else 0,
        earlier=yardstick.earlier if yardstick else 0,
        everything=_everything(now, stable, yardstick) if question.everything else (),
        picture=picture(now, None if isinstance(stable, str) else stable, yardstick),
        caveats=(*now.program.notes, *now.rows.caveats),
    )


def _maxima(program: Program, samples: Samples) -> RowMaxima | None:
    """The largest magnitudes of the stable snapshot on rows from before; None where it does not run on them."""
    if not len(samples):
        return None
    try:
        found = run(program, samples)
    except PortError:
        return None
    if isinstance(found, NothingLeft):
        return None
    maxima = RowMaxima(len(found.rows))
    for tensor, value in zip(found.program.inputs, found.rows.inputs, strict=True):
        maxima.take(tensor.name, value)
    found.interpreter.run(found.rows.inputs, watch=maxima)
    return maxima


def _judge(
    now: Run, stable: Run | None, yardstick: Yardstick | None, usual: Samples
) -> tuple[Bad | None, tuple[str, ...]]:
    """What is bad and reaches a prediction, and the values that are off and do not."""
    broken = [name for name, found in now.ranges.items() if found.non_finite]
    healer = Healer(now, stable, yardstick)
    if now.bad_rows.any():
        return _bad(now, healer, Badness("non_finite"), broken, now.interpreter, usual), ()
    limits = yardstick.limits if yardstick else {}
    beyond = [name for name, found in now.ranges.items() if name in limits and not found.largest <= limits[name][1]]
    last = ends(now.program, beyond)
    badness = Badness("extreme", limits)
    # What saturates (a sigmoid) may not show a cut at its end: then where it starts is tried.
    tried = (healer.effect(badness, values) for values in (last, starts(now.program, beyond)) if last)
    if not any(found is not None and found.moved for found in tried):
        return _lost_weights(now, healer), tuple(broken + beyond)
    # The last extreme values are what has to be healed: behind them, a sigmoid makes anything look usual.
    target = Interpreter(replace(now.program, outputs=last))
    return _bad(now, healer, badness, beyond, target, usual), tuple(broken)


def _lost_weights(now: Run, healer: Healer) -> Bad | None:
    """Weights that are no numbers and show nowhere else: inside one operator they saturate its gates."""
    found = by_lost_weights(healer)
    if found is None:
        return None
    traced, moved = found
    return Bad(
        problem="non_finite",
        trace=traced,
        first=now.program.nodes[traced.node] if traced.node is not None else None,
        mixes=None,
        values=0,
        described=(),
        effect=moved,
        suggestions=(),
        new=True,
    )


def _bad(now: Run, healer: Healer, badness: Badness, values: list[str], target: Interpreter, usual: Samples) -> Bad:
    new = _is_new(now, healer.stable, healer.yardstick, badness, values)
    traced = by_weights(healer, badness) if new and badness.problem == "extreme" else None
    if traced is None:
        traced = trace(target, now.rows.inputs, badness)
    nodes = {name: node for node in now.program.nodes for name in output_names(node) if name is not None}
    first = now.program.nodes[traced.node] if traced.node is not None else None
    if first is None:
        first = next((nodes[name] for name in values if name in nodes), None)
    return Bad(
        problem=badness.problem,
        trace=traced,
        first=first,
        mixes=None if traced.mixes is None else now.program.nodes[traced.mixes],
        values=len(values),
        described=_described(
            now, healer.stable, healer.yardstick, [name for name in values if name in nodes][:MOST_DESCRIBED]
        ),
        effect=_effect(healer, badness, traced, first, values),
        suggestions=suggest(now, traced, first, badness, usual),
        new=new,
    )


def _effect(healer: Healer, badness: Badness, traced: Trace, first: Node | None, values: list[str]) -> Effect | None:
    """What the origin does to the predictions: of bad inputs, the inputs; else what the first bad node gives."""
    names = [name for name in output_names(first) if name is not None][:1] if first is not None else []
    if traced.origin == "input" and traced.causes:
        names = sorted({cause.input for cause in traced.causes})
    found = healer.effect(badness, tuple(names)) if names else None
    if found is not None and found.moved:
        return found
    return healer.effect(badness, starts(healer.now.program, values))


def _is_new(
    now: Run, stable: Run | None, yardstick: Yardstick | None, badness: Badness, values: list[str]
) -> bool | None:
    """Whether the stable snapshot is free of it on the same rows."""
    if stable is None or yardstick is None:
        return None
    if badness.problem == "non_finite":
        if len(stable.rows) != len(now.rows):
            return None if stable.bad_rows.any() else True
        return bool((now.bad_rows & ~stable.bad_rows).any())
    return all(
        stable.ranges[yardstick.twin[name]].largest <= badness.limits[name][1]
        for name in values
        if yardstick.twin.get(name) in stable.ranges
    )


def _everything(now: Run, stable: Run | str, yardstick: Yardstick | None) -> tuple[Described, ...]:
    """Every value, in the order of computation: the ones that hold no number in double precision, which leaves these
    out of their sums, the others as they were taken while the snapshot ran."""
    exact = _statistics(now, [name for name, found in now.ranges.items() if found.non_finite])
    twin: Mapping[str, str] = yardstick.twin if yardstick else {}
    there = {} if isinstance(stable, str) else stable.statistics
    nodes = {name: node for node in now.program.nodes for name in output_names(node)}
    return tuple(
        Described(nodes[name], name, exact.get(name, found), there.get(twin.get(name, "")))
        for name, found in sorted(now.statistics.items(), key=lambda item: nodes[item[0]].index)
    )


def _described(
    now: Run, stable: Run | None, yardstick: Yardstick | None, names: Collection[str]
) -> tuple[Described, ...]:
    """These values in full, in both snapshots."""
    twin: Mapping[str, str] = yardstick.twin if yardstick else {}
    here = _statistics(now, names)
    there = {} if stable is None else _statistics(stable, {twin[name] for name in names if name in twin})
    nodes = {name: node for node in now.program.nodes for name in output_names(node)}
    return tuple(
        Described(nodes[name], name, here[name], there.get(twin.get(name, ""))) for name in names if name in here
    )


def _statistics(found: Run, names: Collection[str]) -> dict[str, Statistics]:
    wanted, described = set(names), {}

    def watch(node: Node, result: Any) -> None:
        values = result if isinstance(result, tuple) else (result,)
        for name, value in zip(output_names(node), values, strict=False):
            if name in wanted and value.numel():
                described[name] = describe(value)

    found.interpreter.run(found.rows.inputs, watch=watch)
    return described

"""The rollout timelines that rollout_correlation must tell apart, each with its truth."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tests.tools.timelines import ARMS, INCIDENT, MODELS, SOAK_H, Plan, Stage, Where, daily, ramp, window
from tools.contract import Finding

CADENCES_H = (24, 72, 168)
HOURLY, DAILY = (0, 2, 5, 9), (-47, -23, 0, 24)
BAD = "asked/bad"
NEW = "asked/new"


@dataclass(frozen=True)
class Scenario:
    """A plan and its truth: the guilty snapshot, or None where no rollout of the model explains what happened.
    `follows_nothing` marks a timeline in which rollouts happen and the metric does not follow; `knowable` whether the
    rollouts can be cleared there, and not only left alone; `mentions` what must be said to be unchecked."""

    plan: Plan
    guilty: str | None = None
    follows_nothing: bool = False
    knowable: bool = True
    mentions: str | None = None

    def right(self, finding: Finding) -> bool:
        """Whether the verdict is true: the guilty one named; or nobody, and the rollouts cleared where that can be."""
        explains = finding.facts["explains"]
        if self.guilty is not None:
            return explains is True and finding.facts["snapshot"] == self.guilty
        said = self.mentions is None or any(self.mentions in note for note in finding.not_checked)
        return said and (explains is False or (explains is None and (self.follows_nothing or not self.knowable)))

    @property
    def target(self) -> str:
        """The snapshot to go back to: the newest that is stable, of those before the guilty one."""
        older = [s for s in self.plan.stages["asked"] if s.hour < INCIDENT - SOAK_H]
        return [s.snapshot for s in older if s.snapshot not in self.plan.suspects][-1]


def _others(rng: np.random.Generator, every_h: int) -> dict[str, list[Stage]]:
    """The usual rollouts of the other models, none of them near the incident."""
    return {m: daily(m, every_h, INCIDENT - 12 + int(rng.integers(-6, 0))) for m in MODELS[1:]}


def _plan(seed: int, last: list[Stage], fault: Where | None) -> Plan:
    """The model's usual rollouts, every day or three days or week, then `last`. On odd seeds the snapshot that would be
    the next to go back to is suspect."""
    rng = np.random.default_rng([seed, 7])
    every_h = CADENCES_H[seed % len(CADENCES_H)]
    usual = daily("asked", every_h, min(INCIDENT, last[0].hour))
    stable = list(dict.fromkeys(s.snapshot for s in usual if s.hour < INCIDENT - SOAK_H))
    return Plan(
        seed=seed,
        stages={**_others(rng, every_h), "asked": [*usual, *last]},
        fault=fault,
        window=window(INCIDENT + int(rng.integers(-1, 4)), 24),
        suspects=tuple(stable[-1:]) if seed % 2 else (),
    )


def served_by(*snapshots: str) -> Where:
    return lambda rows: np.isin(rows["snapshot"], snapshots)


def of_model(model: str, start: int, end: int | None = None) -> Where:
    return lambda rows: (
        (rows["model"] == model) & (rows["hour"] >= start) & (rows["hour"] < (np.inf if end is None else end))
    )


def bad_ramp(seed: int) -> Scenario:
    """1%, 5%, 25%, 100% over hours."""
    return Scenario(_plan(seed, ramp(BAD, INCIDENT, HOURLY), served_by(BAD)), BAD)


def bad_ramp_of_days(seed: int) -> Scenario:
    """1%, 5%, 25%, 100% a day apart; the alert comes when a quarter is served."""
    plan = _plan(seed, ramp(BAD, INCIDENT, DAILY), served_by(BAD))
    return Scenario(replace(plan, window=window(INCIDENT, 36)), BAD)


def rolled_back(seed: int) -> Scenario:
    """The drop ends when the snapshot goes."""
    last = [*ramp(BAD, INCIDENT, HOURLY), Stage(BAD, INCIDENT + 14, 0.0)]
    return Scenario(_plan(seed, last, served_by(BAD)), BAD)


def rolled_back_in_vain(seed: int) -> Scenario:
    """Something else sets in with the rollout and goes on after the rollback."""
    last = [*ramp(NEW, INCIDENT, (0, 1, 2, 4)), Stage(NEW, INCIDENT + 12, 0.0)]
    return Scenario(_plan(seed, last, of_model("asked", INCIDENT)))


def at_once_in_vain(seed: int) -> Scenario:
    """The same with a snapshot that took over everywhere at once, so that only the rollback tells."""
    last = [Stage(NEW, INCIDENT, 1.0), Stage(NEW, INCIDENT + 12, 0.0)]
    return Scenario(_plan(seed, last, of_model("asked", INCIDENT)))


def two_arms(seed: int) -> Scenario:
    """Two snapshots at once, one for each arm; one is bad."""
    bad, fine = (0, 1) if seed % 2 else (1, 0)
    last = [
        *ramp(BAD, INCIDENT, HOURLY, arms=(ARMS[bad],)),
        *ramp(NEW, INCIDENT, HOURLY, arms=(ARMS[fine],)),
    ]
    return Scenario(_plan(seed, last, served_by(BAD)), BAD)


def two_in_one_ramp(seed: int) -> Scenario:
    """Two snapshots grow side by side in the same traffic; one is bad."""
    last = [
        *(Stage(BAD, INCIDENT + h, s) for h, s in ((0, 0.05), (4, 0.15), (9, 0.4))),
        *(Stage(NEW, INCIDENT + h, s) for h, s in ((0, 0.05), (4, 0.15), (9, 0.4))),
    ]
    return Scenario(_plan(seed, last, served_by(BAD)), BAD)


def other_model(seed: int) -> Scenario:
    """Two models roll out together; it is the other one that got worse."""
    plan = _plan(seed, ramp(NEW, INCIDENT, HOURLY), served_by("other/bad"))
    stages = {**plan.stages, "other": [*plan.stages["other"], *ramp("other/bad", INCIDENT, HOURLY)]}
    return Scenario(replace(plan, stages=stages), mentions="other/bad", knowable=False)


def one_region(seed: int) -> Scenario:
    """A snapshot that only one region received, within an hour."""
    region = ("asia", "eu", "us")[seed % 3]
    last = [*ramp(BAD, INCIDENT, (0, 1), (0.25, 1.0), regions=(region,))]
    return Scenario(_plan(seed, last, served_by(BAD)), BAD)


def region_falls(seed: int) -> Scenario:
    """A snapshot that only one region received, while all of this region falls."""
    last = [*ramp(NEW, INCIDENT, (0, 1), (0.25, 1.0), regions=("eu",))]
    everywhere: Where = lambda rows: (rows["region"] == "eu") & (rows["hour"] >= INCIDENT)  # noqa: E731
    return Scenario(_plan(seed, last, everywhere), knowable=False)


def precedes(seed: int) -> Scenario:
    """The model falls eight hours before the rollout."""
    plan = _plan(seed, ramp(NEW, INCIDENT, HOURLY), of_model("asked", INCIDENT - 8))
    return Scenario(replace(plan, window=window(INCIDENT - 8, 24)))


def unserved(seed: int) -> Scenario:
    """The fall starts with a rollout, in the arm that the snapshot does not serve."""
    last = ramp(NEW, INCIDENT, HOURLY, arms=("early",))
    fault: Where = lambda rows: of_model("asked", INCIDENT)(rows) & (rows["arm"] == "broad")  # noqa: E731
    return Scenario(_plan(seed, last, fault))


def whole_model(seed: int) -> Scenario:
    """Rollouts as always, and a fault of the whole model that sets in with the last of them."""
    return Scenario(_plan(seed, ramp(NEW, INCIDENT, HOURLY), of_model("asked", INCIDENT)))


def nothing(seed: int) -> Scenario:
    """Rollouts as always."""
    return Scenario(_plan(seed, ramp(NEW, INCIDENT, HOURLY), None), follows_nothing=True)


def nothing_in_days(seed: int) -> Scenario:
    """A ramp of days, and nothing follows."""
    plan = _plan(seed, ramp(NEW, INCIDENT, DAILY), None)
    return Scenario(replace(plan, window=window(INCIDENT, 36)), follows_nothing=True)


def nothing_in_one_region(seed: int) -> Scenario:
    """A rollout to one region, and nothing follows."""
    last = [*ramp(NEW, INCIDENT, (0, 1), (0.25, 1.0), regions=("eu",))]
    return Scenario(_plan(seed, last, None), follows_nothing=True)


def swing(seed: int) -> Scenario:
    """The rollout lands on the turn of the day and week, when everything moves."""
    plan = _plan(seed, ramp(NEW, INCIDENT, HOURLY), None)
    return Scenario(replace(plan, weekend=-0.5), follows_nothing=True)


SCENARIOS: dict[str, Callable[[int], Scenario]] = {
    f.__name__: f
    for f in (
        bad_ramp,
        bad_ramp_of_days,
        rolled_back,
        rolled_back_in_vain,
        at_once_in_vain,
        two_arms,
        two_in_one_ramp,
        other_model,
        one_region,
        region_falls,
        precedes,
        unserved,
        whole_model,
        nothing,
        nothing_in_days,
        nothing_in_one_region,
        swing,
    )
}

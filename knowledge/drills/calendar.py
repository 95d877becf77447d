"""The platform's day: when a snapshot is trained, published and rolled out, and when the jobs run. Times in UTC.

A day is a local calendar day, numbered since 1970. Its flights are searched for between about 06:00 and 04:00 UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

HOUR_S = 3600
DAY_S = 24 * HOUR_S
RUN_S = 6 * HOUR_S
"""A run of a feature job keeps its tables current for six hours, from its start to its completion."""

DAY_START_H = 5
"""All searches for the flights of a local day lie between 05:00 UTC of that day and of the next."""

PARTITION_H, TRAIN_H, TRAINED_H, PUBLISH_H = 6, 7, 8, 9
ARMS = ("broad", "early")
STAGES = {"early": ((11, 1.0),), "broad": ((15, 0.25), (18, 0.5), (21, 1.0))}
"""Arm → (hour of the snapshot's day, share of the arm's traffic from then on)."""

FIRST_STAGE_H = 11
NOW_H = 24 + 8  # of the incident day
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Period:
    """The days of a world: a bootstrap, the days that are emitted, and the incident day at their end."""

    incident: int
    emitted_days: int = 21
    bootstrap_days: int = 14

    @property
    def first_emitted(self) -> int:
        return self.incident - self.emitted_days

    @property
    def first_snapshot(self) -> int:
        """The day whose snapshot, trained on the bootstrap, serves until the first emitted day's own is rolled out."""
        return self.first_emitted - 1

    @property
    def first_trained(self) -> int:
        """The oldest partition that is trained on."""
        return self.first_snapshot - self.bootstrap_days

    @property
    def now(self) -> int:
        """The last moment of which anything is known, in unix seconds."""
        return at(self.incident, NOW_H)


def day_of(year: int, month: int, day: int) -> int:
    """A calendar day as a number."""
    return (date(year, month, day) - _EPOCH).days


def iso(day: int) -> str:
    """A day as 2013-05-04."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def at(day: int, hour: float) -> int:
    """Unix seconds of an hour (UTC) of a day; 24 and more run into the next day."""
    return day * DAY_S + round(hour * HOUR_S)


def utc(ts: int) -> datetime:
    """Unix seconds as an aware time."""
    return datetime.fromtimestamp(ts, UTC)


def iso_time(ts: int) -> str:
    """Unix seconds as 2013-05-04T11:00:00Z."""
    return utc(ts).strftime("%Y-%m-%dT%H:%M:%SZ")


def snapshot_id(model: str, day: int) -> str:
    """The id of the snapshot that a model publishes on a day."""
    return f"{model}/{iso(day)}"

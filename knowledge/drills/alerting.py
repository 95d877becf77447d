"""The alerting rule of the platform, and its webhook: Alertmanager's payload, version 4."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from knowledge.drills.calendar import HOUR_S, at, iso_time
from knowledge.drills.points import PRODUCT
from knowledge.drills.serving import Impressions

_METRIC = "on_time_badge_share"
_RULE_H, _TRAILING_DAYS, _DROP = 6, 14, 0.03
_FIRST_H, _LAST_H, _OTHERWISE_H = 18, 28, 20


def firing_hour(days: Sequence[Impressions], incident: int) -> tuple[int, float, float]:
    """The first hour after 17:00 UTC of the incident day at which the share over six hours, of the labels known by
    then, lies three points below the mean of the same hours over two weeks; 20:00 where none does. With both shares."""
    by_day = {shown.day: shown for shown in days}
    trailing = [by_day[d] for d in range(incident - _TRAILING_DAYS, incident) if d in by_day]
    for hour in range(_FIRST_H, _LAST_H + 1):
        current, usual = _compared(by_day[incident], trailing, hour)
        if current < usual - _DROP:
            return hour, current, usual
    return _OTHERWISE_H, *_compared(by_day[incident], trailing, _OTHERWISE_H)


def _compared(today: Impressions, trailing: Sequence[Impressions], hour: int) -> tuple[float, float]:
    usual = [share for share in (_share(shown, hour) for shown in trailing) if np.isfinite(share)]
    return _share(today, hour), float(np.mean(usual)) if usual else float("nan")


def _share(shown: Impressions, hour: int) -> float:
    """The on-time share over the rule's hours before `hour`, of the labels known at `hour`; NaN without any."""
    end = at(shown.day, hour)
    counted = shown.badge & (shown.ts >= end - _RULE_H * HOUR_S) & (shown.ts < end) & (shown.label_at <= end)
    return float(1 - shown.late[counted].mean()) if counted.any() else float("nan")


def webhook(days: Sequence[Impressions], incident: int) -> dict[str, Any]:
    """What Alertmanager posts when the rule fires."""
    hour, current, usual = firing_hour(days, incident)
    labels = {"alertname": "OnTimeBadgeShareLow", "product": PRODUCT, "metric": _METRIC, "severity": "page"}
    annotations = {
        "summary": f"On-time badge share is {current:.1%}; {usual:.1%} is usual at this time of day",
        "description": f"The share of badges whose flight was on time, over {_RULE_H} hours, against two weeks before.",
        "rule_window": f"{_RULE_H}h",
    }
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": iso_time(at(incident, hour)),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": f"http://127.0.0.1:9090/graph?g0.expr={_METRIC}",
        "fingerprint": hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16],
    }
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{labels["alertname"]}", product="{PRODUCT}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "hawkeye",
        "groupLabels": {"alertname": labels["alertname"], "product": PRODUCT},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://127.0.0.1:9093",
        "alerts": [alert],
    }

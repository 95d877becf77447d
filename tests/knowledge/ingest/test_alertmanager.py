from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from knowledge.ingest.alertmanager import MalformedAlert, translate

NOW = datetime(2013, 5, 5, 8, tzinfo=UTC)
WEEK = timedelta(days=7)


def payload(**changes: Any) -> dict[str, Any]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "BadgeShareLow", "product": "badge", "metric": "share"},
        "annotations": {"summary": "The badge is wrong too often", "rule_window": "1h30m"},
        "startsAt": "2013-05-04T20:00:00.000Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": "ab12",
    }
    return {"version": "4", "status": "firing", "receiver": "hawkeye", "alerts": [alert | changes]}


def test_a_firing_alert_ends_now_and_begins_with_the_rule_window() -> None:
    (alert,) = translate(payload(), NOW, WEEK)
    assert alert.window.start == datetime(2013, 5, 4, 18, 30, tzinfo=UTC)
    assert alert.window.end == NOW
    assert alert.baseline.end == alert.window.start
    assert alert.baseline.seconds == WEEK.total_seconds()
    assert alert.title == "The badge is wrong too often"
    assert alert.alert == "ab12-20130504T200000Z"


def test_a_zone_other_than_utc_is_converted() -> None:
    (alert,) = translate(payload(startsAt="2013-05-04T16:00:00-04:00"), NOW, WEEK)
    assert alert.started_at == datetime(2013, 5, 4, 20, tzinfo=UTC)


def test_resolved_alerts_open_nothing() -> None:
    assert translate(payload(status="resolved", endsAt="2013-05-04T22:00:00Z"), NOW, WEEK) == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "not an Alertmanager webhook"),
        ([], "not an Alertmanager webhook"),
        ({"alerts": []}, "alerts: List should have at least 1 item"),
        ({"version": "3", "alerts": payload()["alerts"]}, "version 4"),
        (payload(startsAt="yesterday"), "startsAt"),
        (payload(startsAt="2013-05-04T20:00:00"), "zone"),
        (payload(labels={"alertname": "X"}), "no label product and no label metric"),
        (payload(annotations={"rule_window": "soon"}), "'soon' is not a duration"),
        (payload(startsAt="2014-01-01T00:00:00Z"), "after the newest data"),
    ],
)
def test_a_malformed_payload_says_what_is_wrong(bad: object, message: str) -> None:
    with pytest.raises(MalformedAlert, match=message):
        translate(bad, NOW, WEEK)


@pytest.mark.parametrize(
    "as_of", ["2013-05-04T16:00:00Z", "2013-05-04T12:00:00-04:00", "1367683200", " 1.3676832e+09 "]
)
def test_figures_that_come_late_say_of_which_time_they_speak(as_of: str) -> None:
    (alert,) = translate(payload(annotations={"rule_window": "2h", "as_of": as_of}), NOW, WEEK)
    assert alert.started_at == datetime(2013, 5, 4, 16, tzinfo=UTC)
    assert (alert.window.start, alert.window.end) == (datetime(2013, 5, 4, 14, tzinfo=UTC), NOW)
    assert alert.alert == "ab12-20130504T200000Z", "Alertmanager's own start is what the alert is known by"


@pytest.mark.parametrize(
    ("as_of", "says"), [("soon", "not a time such as"), ("2013-05-04T16:00", "not a time"), ("1367697601", "is after")]
)
def test_an_as_of_that_cannot_be(as_of: str, says: str) -> None:
    with pytest.raises(MalformedAlert, match=says):
        translate(payload(annotations={"as_of": as_of}), NOW, WEEK)

"""Alertmanager's webhook payload (version 4) → alerts. No IO.

An alert names its product and metric in the labels `product` and `metric`. The annotation `rule_window` (for example
"6h") says over how long a time the rule looks: the trouble began up to that long before the alert fired. Where the
figures come late, the annotation `as_of` says of which time they speak; without it, of the time when the alert fired.
"""

import re
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from knowledge.ingest.alert import Alert
from tools.records import Utc, Window

DEFAULT_RULE_WINDOW = timedelta(hours=6)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIME: TypeAdapter[datetime] = TypeAdapter(Utc)
_DURATION = re.compile(r"(?:\d+[smhdw])+")


class MalformedAlert(ValueError):
    """The payload is not a webhook of Alertmanager, or lacks what an investigation needs."""


class _Alert(BaseModel):
    model_config = ConfigDict(extra="ignore")
    status: str = "firing"
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: Utc  # noqa: N815  (the sender's name)
    endsAt: Utc | None = None  # noqa: N815
    fingerprint: str = ""


class _Webhook(BaseModel):
    model_config = ConfigDict(extra="ignore")
    version: str = "4"
    alerts: list[_Alert] = Field(min_length=1)


def translate(payload: object, now: datetime, baseline: timedelta) -> list[Alert]:
    """The firing alerts of a webhook payload. `now` ends the degradation window of an alert that is still firing.

    Raises `MalformedAlert` with every reason at once.
    """
    try:
        webhook = _Webhook.model_validate(payload)
    except ValidationError as error:
        raise MalformedAlert(f"this is not an Alertmanager webhook payload: {reasons(error)}") from None
    if webhook.version != "4":
        raise MalformedAlert(f"Alertmanager webhook version {webhook.version!r} is not known; version 4 is")
    return [_translate(alert, now, baseline) for alert in webhook.alerts if alert.status == "firing"]


def reasons(error: ValidationError) -> str:
    """The reasons of a pydantic error in one line: where, and what is wrong there."""
    parts = [(".".join(str(p) for p in e["loc"]) or "the body", e["msg"]) for e in error.errors(include_url=False)]
    return "; ".join(f"{where}: {what}" for where, what in parts)


def _translate(alert: _Alert, now: datetime, baseline: timedelta) -> Alert:
    missing = [name for name in ("product", "metric") if not alert.labels.get(name)]
    name = alert.labels.get("alertname", "(no alertname)")
    if missing:
        raise MalformedAlert(
            f"the alert {name!r} has no label {' and no label '.join(missing)}. "
            "Add them to the alerting rule, so that it is known what to investigate"
        )
    started = _as_of(alert)
    start = started - _duration(alert.annotations.get("rule_window"))
    # Alertmanager writes the year 1 for "still firing".
    end = alert.endsAt if alert.endsAt is not None and alert.endsAt > alert.startsAt else now
    if end <= alert.startsAt:
        raise MalformedAlert(
            f"the alert starts at {alert.startsAt:%Y-%m-%d %H:%M} UTC, after the newest data ({now:%Y-%m-%d %H:%M} UTC)"
        )
    return Alert(
        alert=f"{alert.fingerprint or name}-{alert.startsAt.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        product=alert.labels["product"],
        metric=alert.labels["metric"],
        title=alert.annotations.get("summary", name),
        started_at=started,
        window=Window(start=start, end=end),
        baseline=Window(start=start - baseline, end=start),
        labels=dict(sorted(alert.labels.items())),
        source="alertmanager",
    )


def _as_of(alert: _Alert) -> datetime:
    """The time that the figures speak of: RFC 3339 or unix seconds, as a template of Prometheus writes a value."""
    told = alert.annotations.get("as_of")
    if told is None:
        return alert.startsAt
    try:
        found = _TIME.validate_python(told.strip())
    except ValidationError:
        raise MalformedAlert(f"as_of {told!r} is not a time such as 2013-05-04T10:00:00Z or 1367661600") from None
    if found > alert.startsAt:
        raise MalformedAlert(f"as_of {told!r} is after {alert.startsAt:%Y-%m-%d %H:%M} UTC, when the alert fired")
    return found


def _duration(text: str | None) -> timedelta:
    if text is None:
        return DEFAULT_RULE_WINDOW
    if not _DURATION.fullmatch(text):
        raise MalformedAlert(f"rule_window {text!r} is not a duration such as 6h, 90m or 1d")
    return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in re.findall(r"(\d+)([smhdw])", text)), timedelta())

"""Times of the lineage's tables: whole microseconds since 1970."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _ONE


def from_microseconds(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)

"""The alert as our own record, whatever system it came from."""

from pydantic import Field

from tools.records import Id, Record, Utc, Window


class Alert(Record):
    """A metric of a product is not as it should be; key `alert`.

    `window` is the degradation window (from the alert's start to the last data that it may look at), `baseline` the
    window that it is compared with. `labels` keeps what the sender said, for the reader. `snapshot` is the one that the
    alert is about, where it is about one: a published snapshot that looks suspicious.
    """

    alert: Id
    product: Id
    metric: Id
    title: str
    started_at: Utc
    window: Window
    baseline: Window
    labels: dict[str, str] = Field(default_factory=dict)
    source: str = "unknown"
    snapshot: Id | None = None

"""OpenLineage events come in here: translated, stored many at a time, and counted where they are refused."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from knowledge.ingest.openlineage import MalformedEvent, Translated, translate
from knowledge.ingest.openlineage_facets import LeftOut
from knowledge.lineage import Lineage

TOGETHER = 500  # events in one transaction, so that others can write between two of them
LARGEST = 64 << 20  # bytes of a body when it is unpacked


class UnreadableBody(ValueError):
    """A body is refused whole; the message says what is wrong with it."""


class BodyTooLarge(UnreadableBody):
    """It has more than `LARGEST` bytes when it is unpacked."""


@dataclass(frozen=True)
class NotTaken:
    """An event of a batch, or a part of it, that was not taken: its place in the batch, from 0, and why."""

    index: int
    reason: str


@dataclass(frozen=True)
class BatchTaken:
    """What became of a batch: how many events are on disk, which ones were refused, and which parts were left out."""

    stored: int
    refused: tuple[NotTaken, ...]
    left_out: tuple[NotTaken, ...]


class LineageIntake:
    """Events as they come from a client. What is answered with is on disk."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage

    def receive(self, payload: object, now: datetime | None = None) -> tuple[str, ...]:
        """Store one event; answers with the parts of it that were left out. Raises `MalformedEvent`, counted."""
        try:
            event = translate(payload, now)
        except MalformedEvent as error:
            self._lineage.receive([], [LeftOut(error.reason, str(error))], now)
            raise
        self._lineage.receive([event], (), now)
        return tuple(part.detail for part in event.left_out)

    def receive_batch(self, payloads: Sequence[object], now: datetime | None = None) -> BatchTaken:
        """Store the events of a batch, each by itself: one that is refused does not take the others with it."""
        stored, refused, left_out = 0, list[NotTaken](), list[NotTaken]()
        for first in range(0, len(payloads), TOGETHER):
            events, faults = list[Translated](), list[LeftOut]()
            for index, payload in enumerate(payloads[first : first + TOGETHER], first):
                try:
                    event = translate(payload, now)
                except MalformedEvent as error:
                    faults.append(LeftOut(error.reason, str(error)))
                    refused.append(NotTaken(index, str(error)))
                else:
                    events.append(event)
                    left_out += [NotTaken(index, part.detail) for part in event.left_out]
            self._lineage.receive(events, faults, now)
            stored += len(events)
        return BatchTaken(stored, tuple(refused), tuple(left_out))

    def read(self, body: bytes, encoding: str, now: datetime | None = None) -> object:
        """The JSON of a body, unpacked where `encoding` (the Content-Encoding) says gzip or deflate.

        Raises `UnreadableBody`; that is counted too.
        """
        try:
            return _json(_unpacked(body, encoding.strip().lower()))
        except UnreadableBody as error:
            self._lineage.receive([], [LeftOut("the body cannot be read", str(error))], now)
            raise


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnreadableBody(f"the Content-Encoding {encoding[:40]!r} is not understood; send gzip, deflate or none")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by what the body begins with
    try:
        found = unpacker.decompress(body, LARGEST + 1)
    except zlib.error as error:
        raise UnreadableBody(f"the body is not {encoding}: {error}") from None
    if len(found) > LARGEST:
        raise BodyTooLarge(f"the body has more than {LARGEST >> 20} MB unpacked; send smaller batches")
    if not unpacker.eof:
        raise UnreadableBody(f"the {encoding} body is cut off; send it again")
    if unpacker.unused_data:
        raise UnreadableBody(f"something follows the {encoding} body; send one in one piece")
    return found


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody(f"the body is not JSON: {error}") from None

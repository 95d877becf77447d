"""The routes that serving systems send their prediction samples to, and whoever knows them the labels."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from pydantic import SecretStr

from assistant.api.keys import keyed
from assistant.api.problems import REFUSALS
from assistant.wire import RefusedRows, SamplesTaken
from knowledge.ingest.sample_rows import RefusedRows as RefusedSamples
from knowledge.receiver import Receiver

LARGEST_BODY = 64 << 20


def sample_routes(keys: tuple[SecretStr, ...]) -> list[HTTPRouteHandler]:
    """Both of them, guarded by the keys."""
    guards = [keyed(keys)]

    @post(
        "/samples",
        status_code=HTTPStatus.OK,
        guards=guards,
        request_max_body_size=LARGEST_BODY,
        summary="A batch of prediction samples as a Parquet or Arrow file; on disk when this answers",
        responses=REFUSALS,
    )
    async def samples(receiver: NamedDependency[Receiver], request: Request[Any, Any, Any]) -> SamplesTaken:
        return await _taken(receiver.receive_sample_file, request)

    @post(
        "/labels",
        status_code=HTTPStatus.OK,
        guards=guards,
        request_max_body_size=LARGEST_BODY,
        summary="Labels that came later, as a Parquet or Arrow file; on disk when this answers",
        responses=REFUSALS,
    )
    async def labels(receiver: NamedDependency[Receiver], request: Request[Any, Any, Any]) -> SamplesTaken:
        return await _taken(receiver.receive_label_file, request)

    return [samples, labels]


async def _taken(
    receive: Callable[[bytes, str], tuple[int, tuple[RefusedSamples, ...]]], request: Request[Any, Any, Any]
) -> SamplesTaken:
    body, kind = await request.body(), request.headers.get("content-type", "")
    taken, refused = await asyncio.to_thread(receive, body, kind)
    return SamplesTaken(
        taken=taken, refused=tuple(RefusedRows(reason=r.reason, rows=r.rows, first=r.first) for r in refused)
    )

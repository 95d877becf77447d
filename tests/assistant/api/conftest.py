import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from assistant.app import create_app
from tests.assistant import small
from tests.assistant.api.client import Api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The real application over a real data folder, spoken to over ASGI."""
    app = create_app(small.settings(tmp_path))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with alive(app), httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as http:
        yield Api(http)


@contextlib.asynccontextmanager
async def alive(app: Litestar) -> AsyncIterator[None]:
    """The lifespan must end in the task that began it, and a fixture begins and ends in two."""
    up, down = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            up.set()
            await down.wait()

    task = asyncio.create_task(live())
    await up.wait()
    yield
    down.set()
    await task

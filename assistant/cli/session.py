"""The API in this process, called from plain code: the commands are clients like any other.

The service runs in a thread with an event loop of its own. So Ctrl-C reaches a command wherever it waits.
"""

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import httpx

from assistant.app import create_app
from assistant.cli.logs import logged_to
from assistant.cli.service import Service
from assistant.settings import Settings
from assistant.wire import PREFIX


class Session(Service):
    """The service over one data folder, from `with` to the end of it."""

    def __init__(self, settings: Settings) -> None:
        self._app = create_app(settings)
        self._ready: Future[tuple[asyncio.AbstractEventLoop, httpx.AsyncClient]] = Future()
        self._stop = asyncio.Event()
        self._logged = logged_to(settings.data_dir)
        self._thread = threading.Thread(target=self._run, name="hawkeye-api")

    def __enter__(self) -> Self:
        self._logged.__enter__()
        self._thread.start()
        try:
            self._loop, self._http = self._ready.result()
        except KeyboardInterrupt:
            self._loop, self._http = self._ready.result()
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._logged.__exit__(kind, error, trace)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        sent = asyncio.run_coroutine_threadsafe(self._http.request(method, PREFIX + path, **request), self._loop)
        return sent.result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with (
            self._app.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://in-process", timeout=None) as http,  # noqa: S113
        ):
            self._ready.set_result((asyncio.get_running_loop(), http))
            await self._stop.wait()

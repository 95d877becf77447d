"""The API in this process, called from plain code: the commands are clients like any other.

The service runs in a thread with an event loop of its own. So Ctrl-C reaches a command wherever it waits.
"""

import asyncio
import threading
from concurrent.futures import Future
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from assistant.app import create_app
from assistant.cli.failures import Failure
from assistant.cli.logs import logged_to
from assistant.settings import Settings
from assistant.wire import PREFIX, Problem

W = TypeVar("W", bound=BaseModel)


class Refused(Failure):
    """The API refused a request; the message is its own."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(". ".join([problem.detail.rstrip("."), *problem.errors]))
        self.status = problem.status


class Session:
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

    def get(self, kind: type[W], path: str, **query: str | float) -> W:
        """GET a path below the prefix. Raises `Refused`."""
        return kind.model_validate_json(self._send("GET", path, params=query))

    def post(self, kind: type[W], path: str, body: BaseModel | dict[str, Any]) -> W:
        """POST a body. Raises `Refused`."""
        json = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        return kind.model_validate_json(self._send("POST", path, json=json))

    def _send(self, method: str, path: str, **request: Any) -> bytes:
        sent = asyncio.run_coroutine_threadsafe(self._http.request(method, PREFIX + path, **request), self._loop)
        response = sent.result()
        if response.is_success:
            return response.content
        raise Refused(_problem(response))

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


def _problem(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        phrase = HTTPStatus(response.status_code).phrase
        return Problem(title=phrase, status=response.status_code, detail=f"the service answered {phrase}")

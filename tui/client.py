"""A typed client of the API, over the network or, through the ASGI interface, of an app in the same process."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from assistant.wire import (
    PREFIX,
    AnswerBody,
    ApproveBody,
    EventPage,
    Health,
    InvestigationPage,
    InvestigationView,
    ModelLine,
    NoteBody,
    Problem,
    RefuseBody,
    SnapshotPage,
    StepBackBody,
    ToolInfo,
    UndoBody,
)

POLL_S = 20.0
"""How long the server may hold a request for events that have not happened yet."""

_PATIENCE_S = 10.0

W = TypeVar("W")
AsgiApp = Callable[
    [Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]],
    Awaitable[None],
]


class ClientError(Exception):
    """The server refused a request, or its answer cannot be read. The message says what is wrong and what to do."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later: the server is away, overloaded or in trouble."""
        return self.status is None or self.status == 429 or self.status >= 500


class Unreachable(ClientError):
    """The server does not answer at all."""


class Unreadable(ClientError):
    """The server's answer is not what this version of the client expects; asking again does not help."""

    @property
    def passes(self) -> bool:
        return False


class Client:
    """The API's investigations and snapshots. Every method raises `ClientError`."""

    def __init__(self, http: httpx.AsyncClient, where: str) -> None:
        self._http = http
        self.where = where

    @classmethod
    def over_network(cls, url: str) -> Self:
        """A client of the server at `url`, for example http://127.0.0.1:8765. Raises ValueError for what is none."""
        try:
            base = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"{url!r} is not the address of a server ({error})") from None
        if base.scheme not in ("http", "https") or not base.host:
            raise ValueError(f"{url!r} is not the address of a server; give one like http://127.0.0.1:8765")
        timeout = httpx.Timeout(_PATIENCE_S, read=POLL_S + _PATIENCE_S)
        return cls(httpx.AsyncClient(base_url=base, timeout=timeout), where=url.rstrip("/"))

    @classmethod
    def in_process(cls, app: AsgiApp) -> Self:
        """A client of an ASGI app in this process, whose lifespan the caller has entered."""
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        return cls(httpx.AsyncClient(transport=transport, base_url="http://in-process"), where="this process")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def health(self) -> Health:
        return await self._get(Health, "/health")

    async def tools(self) -> list[ToolInfo]:
        return await self._get(list[ToolInfo], "/tools")

    async def investigations(self, limit: int = 20) -> InvestigationPage:
        """The newest investigations, at most `limit`."""
        return await self._get(InvestigationPage, "/investigations", limit=limit)

    async def investigation(self, investigation: str) -> InvestigationView:
        return await self._get(InvestigationView, _path(investigation))

    async def models(self) -> list[ModelLine]:
        return await self._get(list[ModelLine], "/models")

    async def snapshots(self, model: str, limit: int) -> SnapshotPage:
        """The newest snapshots of a model, at most `limit`."""
        # Quoted twice: a slash in the name of a model would end the part of the path that it stands in.
        return await self._get(SnapshotPage, f"/models/{quote(quote(model, safe=''), safe='')}/snapshots", limit=limit)

    async def events(self, investigation: str, after: int, wait_s: float = POLL_S) -> EventPage:
        """The events after number `after`; if there are none yet, the server waits up to `wait_s` seconds for one."""
        return await self._get(EventPage, _path(investigation, "events"), after=after, wait_s=wait_s)

    async def answer(self, investigation: str, body: AnswerBody) -> None:
        await self._post(_path(investigation, "answers"), body)

    async def approve(self, investigation: str, body: ApproveBody) -> None:
        await self._post(_path(investigation, "approvals"), body)

    async def refuse(self, investigation: str, body: RefuseBody) -> None:
        await self._post(_path(investigation, "refusals"), body)

    async def undo(self, investigation: str, body: UndoBody) -> None:
        await self._post(_path(investigation, "undo"), body)

    async def step_back(self, investigation: str, body: StepBackBody) -> None:
        await self._post(_path(investigation, "step-backs"), body)

    async def add_note(self, investigation: str, body: NoteBody) -> None:
        await self._post(_path(investigation, "notes"), body)

    async def _get(self, wire: type[W], path: str, **query: float) -> W:
        response = await self._send("GET", path, params=query)
        try:
            return TypeAdapter(wire).validate_json(response.content)
        except ValidationError as error:
            where = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:3])
            raise Unreadable(
                f"the answer to {path} from {self.where} is not as expected ({where}). "
                "Check that the address is HawkEye's, and that server and client are of the same version",
                response.status_code,
            ) from None

    async def _post(self, path: str, body: BaseModel) -> None:
        await self._send("POST", path, content=body.model_dump_json(), headers={"Content-Type": "application/json"})

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, PREFIX + path, **request)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(
                f"{self.where} does not answer ({reason}); start it there with `hawkeye serve`"
            ) from error
        if response.is_success:
            return response
        raise ClientError(_problem(response), response.status_code)


def _path(investigation: str, *rest: str) -> str:
    return "/".join(["/investigations", quote(investigation, safe=""), *rest])


def _problem(response: httpx.Response) -> str:
    """The server's own words where it sent problem details (RFC 9457), else the status line."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return f"the server answered {response.status_code} {response.reason_phrase} without saying why"
    return ". ".join([problem.detail.rstrip("."), *problem.errors])

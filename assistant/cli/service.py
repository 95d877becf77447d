"""The API as the commands call it, wherever the service runs."""

from abc import ABC, abstractmethod
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from assistant.cli.failures import Failure
from assistant.wire import PREFIX, Problem

W = TypeVar("W", bound=BaseModel)
_PATIENCE_S = 30.0


class Refused(Failure):
    """The API refused a request; the message is its own."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(". ".join([problem.detail.rstrip("."), *problem.errors]))
        self.status = problem.status


class Service(ABC):
    """A service, from `with` to the end of it."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def _send(self, method: str, path: str, **request: Any) -> httpx.Response: ...

    def get(self, kind: type[W], path: str, **query: str | float) -> W:
        """GET a path below the prefix. Raises `Refused`."""
        return kind.model_validate_json(_content(self._send("GET", path, params=query)))

    def post(self, kind: type[W], path: str, body: BaseModel | dict[str, Any]) -> W:
        """POST a body. Raises `Refused`."""
        json = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        return kind.model_validate_json(_content(self._send("POST", path, json=json)))


class Remote(Service):
    """The service that listens at `url`. Every call raises `Failure` where nobody answers there."""

    def __init__(self, url: str) -> None:
        """Raises `Failure` for what is no address."""
        try:
            base = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise Failure(f"{url!r} is not the address of a service ({error})") from None
        if base.scheme not in ("http", "https") or not base.host:
            raise Failure(f"{url!r} is not the address of a service; give one like http://127.0.0.1:8765")
        self._url, self._http = url, httpx.Client(base_url=base, timeout=_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return self._http.request(method, PREFIX + path, **request)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise Failure(f"{self._url} does not answer ({reason}); start it there with `hawkeye serve`") from None


def _content(response: httpx.Response) -> bytes:
    if response.is_success:
        return response.content
    raise Refused(_problem(response))


def _problem(response: httpx.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        phrase = HTTPStatus(response.status_code).phrase
        return Problem(title=phrase, status=response.status_code, detail=f"the service answered {phrase}")

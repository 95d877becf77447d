"""HTTP to an orchestrator: bounded in time and size, repeated only where that is safe, and errors in plain words.

Redirects are not followed, since a request carries credentials. Neither proxies nor credentials are taken from the
environment. No message holds a header or a body that was sent.
"""

import json
import ssl
import time
from collections.abc import Mapping
from typing import IO, Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from tools.ports import PortError

ATTEMPTS = 3
FIRST_PAUSE_S = 0.2
MOST_BYTES = 8 << 20
_PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that a repetition may get past."""
_DETAIL = 200
M = TypeVar("M", bound=BaseModel)


class HttpError(PortError):
    """The server did not do what it was asked. `status` is None where no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One web server. `name` is what the settings call it and begins every message."""

    def __init__(self, name: str, url: str, timeout_s: float) -> None:
        self.name, self._url, self._timeout_s = name, url, timeout_s
        self._client = httpx.Client(
            timeout=timeout_s, follow_redirects=False, trust_env=False, verify=ssl.create_default_context()
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: object = None,
        query: Mapping[str, str | int | list[str]] | None = None,
        repeat: bool,
    ) -> Any:
        """The JSON of the answer, None where it is empty. `repeat` says that asking again does no harm.

        A person waits for the outcome, so nothing is asked again once `timeout_s` has passed: the whole takes at most
        twice as long. Raises `HttpError`; the server may have done it without us knowing where its `status` is None
        or 5xx.
        """
        attempts, until = ATTEMPTS if repeat else 1, time.monotonic() + self._timeout_s
        for attempt in range(attempts):
            pause_s = FIRST_PAUSE_S * 2**attempt
            try:
                return self._once(method, path, headers, body, query)
            except HttpError as error:
                passing = error.status is None or error.status in _PASSING
                if not passing or attempt == attempts - 1 or time.monotonic() + pause_s >= until:
                    raise
            time.sleep(pause_s)
        raise AssertionError("every attempt answers or raises")

    def download(
        self, path: str, *, headers: Mapping[str, str], query: Mapping[str, str], out: IO[bytes], most: int
    ) -> int:
        """Writes the body of a GET to `out`, and answers with its size. Raises `HttpError`, and beyond `most` bytes."""
        size = 0
        try:
            with self._client.stream("GET", self._url + path, headers=headers, params={**query}) as answer:
                if not answer.is_success:
                    self._read(answer, self._content(answer))
                for part in answer.iter_bytes():
                    size += len(part)
                    if size > most:
                        raise self._error(f"sends a file of more than {most >> 20} MB")
                    out.write(part)
        except httpx.TimeoutException:
            raise self._error(f"did not answer within {self._timeout_s:g} seconds; is it overloaded?") from None
        except httpx.HTTPError as error:
            raise self._error(f"broke off ({str(error) or type(error).__name__}); try again") from None
        return size

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: object, query: Any) -> Any:
        try:
            request = self._client.build_request(
                method, self._url + path, headers=headers, json=body, params=query and {**query}
            )
            answer = self._client.send(request, stream=True)
            try:
                content = self._content(answer)
            finally:
                answer.close()
        except httpx.TimeoutException:
            raise self._error(f"did not answer within {self._timeout_s:g} seconds; is it overloaded?") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise self._error(f"does not answer ({reason}); is it up, and is the url in the settings right?") from None
        return self._read(answer, content)

    def _content(self, answer: httpx.Response) -> bytes:
        """The whole body. A server that sends a little now and then is cut off, too."""
        until, content = time.monotonic() + self._timeout_s, b""
        for part in answer.iter_bytes():
            content += part
            if len(content) > MOST_BYTES:
                raise self._error(f"answers with more than {MOST_BYTES >> 20} MB; is the url that of its API?")
            if time.monotonic() > until:
                raise self._error(f"did not finish its answer within {self._timeout_s:g} seconds")
        return content

    def _read(self, answer: httpx.Response, content: bytes) -> Any:
        status, kind = answer.status_code, answer.headers.get("content-type", "no content type").split(";")[0]
        if answer.is_redirect:
            where = str(answer.headers.get("location", "nowhere")).split("?")[0]
            raise self._error(f"redirects to {where[:_DETAIL]}; put the final address into the settings", status)
        if status in (401, 403):
            what = "the user, password or token" if status == 401 else "what this user may do there"
            raise self._error(f"refuses us ({status}); check {what}{_told(content)}", status)
        if not answer.is_success:
            raise self._error(f"answers {status}{_told(content)}", status)
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._error(f"answers with {kind}, not with JSON; is the url that of its web server?", 200) from None

    def _error(self, what: str, status: int | None = None) -> HttpError:
        return HttpError(f"{self.name} at {self._url} {what}", status)


def understood(name: str, kind: type[M], answer: object) -> M:
    """The answer as what it should be. Raises `PortError` where it is something else."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the body'}: {e['msg']}" for e in error.errors()[:3])
        raise PortError(f"{name} answers with something unexpected ({where}); is its version supported?") from None


def _told(content: bytes) -> str:
    """What the server says about its refusal, in a few words; nothing where it is a page for people."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    said = (
        next((told[key] for key in ("detail", "message", "title", "exception_message") if told.get(key)), None)
        if (isinstance(told, dict))
        else None
    )
    text = " ".join(str(said).split())[:_DETAIL] if said else ""
    return f": {text}" if text else ""

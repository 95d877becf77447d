"""Every error that leaves the API, as RFC 9457 problem details. One handler, so that they all look the same."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec

from assistant.planner.journal import UnknownInvestigation
from assistant.planner.library import UnknownPlaybook
from assistant.planner.playbook import FaultyPlaybook
from assistant.planner.refusals import NotNow
from assistant.wire import Problem
from knowledge.ingest.alertmanager import MalformedAlert
from knowledge.ingest.openlineage import MalformedEvent
from knowledge.ingest.samples import UnreadableSamples
from knowledge.investigations import ConcurrentWrite
from knowledge.lineage_intake import BodyTooLarge, UnreadableBody
from knowledge.receiver import MalformedPayload
from knowledge.store import StoreError
from knowledge.telemetry.batches import MalformedSamples

_log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_STATUS: dict[type[Exception], HTTPStatus] = {
    UnknownInvestigation: HTTPStatus.NOT_FOUND,
    NotNow: HTTPStatus.CONFLICT,
    ConcurrentWrite: HTTPStatus.CONFLICT,
    MalformedAlert: HTTPStatus.UNPROCESSABLE_ENTITY,
    MalformedPayload: HTTPStatus.UNPROCESSABLE_ENTITY,
    MalformedSamples: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnreadableSamples: HTTPStatus.UNPROCESSABLE_ENTITY,
    MalformedEvent: HTTPStatus.UNPROCESSABLE_ENTITY,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnreadableBody: HTTPStatus.BAD_REQUEST,
    UnknownPlaybook: HTTPStatus.UNPROCESSABLE_ENTITY,
    FaultyPlaybook: HTTPStatus.UNPROCESSABLE_ENTITY,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Errors whose message is meant for the client."""
_REFUSED = ResponseSpec(Problem, generate_examples=False, description="What was wrong", media_type=MEDIA_TYPE)
REFUSALS = {400: _REFUSED, 404: _REFUSED, 409: _REFUSED, 422: _REFUSED}
"""For the schema: every refusal has the same form."""


class ApiError(Exception):
    """Raised by a handler: an HTTP status and a sentence that says what is wrong and what to do."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def not_found(detail: str) -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, detail)


def conflict(detail: str) -> ApiError:
    return ApiError(HTTPStatus.CONFLICT, detail)


def unprocessable(detail: str) -> ApiError:
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def as_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The exception handler of the whole application. What was not foreseen is logged here and named to nobody."""
    problem = _problem(error, request.url.path)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def _problem(error: Exception, path: str) -> Problem:
    match error:
        case ApiError():
            return _of(error.status, str(error), path)
        case HTTPException(status_code=status) if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return _of(HTTPStatus(status), error.detail, path, _errors(error.extra))
        case RecursionError() if "deserializing" in str(error):  # the reader of JSON, not our own code
            return _of(HTTPStatus.BAD_REQUEST, "the body is nested too deeply", path)
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return _of(status, str(error), path)
    detail = "the service met an error of its own; its log has the details under this path and time"
    return _of(HTTPStatus.INTERNAL_SERVER_ERROR, detail, path)


def _of(status: HTTPStatus, detail: str, path: str, errors: tuple[str, ...] = ()) -> Problem:
    return Problem(title=status.phrase, status=status.value, detail=detail, instance=path, errors=errors)


def _errors(extra: object) -> tuple[str, ...]:
    """Litestar lists what is wrong with a body as {"key": where, "message": what}."""
    if not isinstance(extra, list):
        return ()
    return tuple(f"{e.get('key') or 'body'}: {e.get('message')}" for e in extra if isinstance(e, Mapping))

"""The routes that other systems call: alerts come in, and a probe asks for health."""

from http import HTTPStatus
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from assistant.api.desk import Desk
from assistant.wire import Health, OpenedPage


@get("/health", sync_to_thread=False, summary="That the service answers")
def health(desk: Desk) -> Health:
    return desk.health()


@post(
    "/alerts/alertmanager",
    status_code=HTTPStatus.ACCEPTED,
    sync_to_thread=True,
    summary="An Alertmanager webhook; the same alert sent twice opens one investigation",
)
def alertmanager(desk: Desk, data: dict[str, Any]) -> OpenedPage:
    return OpenedPage(investigations=tuple(desk.receive(data)))


ROUTES: list[HTTPRouteHandler] = [health, alertmanager]

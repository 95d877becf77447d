"""The routes that other systems call: alerts come in, and a probe asks for health."""

from http import HTTPStatus
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from assistant.api.desk import Desk
from assistant.api.problems import REFUSALS
from assistant.wire import Health, OpenedPage


@get("/health", sync_to_thread=False, summary="That the service answers", responses=REFUSALS)
def health(desk: NamedDependency[Desk]) -> Health:
    return desk.health()


@post(
    "/alerts/alertmanager",
    status_code=HTTPStatus.ACCEPTED,
    sync_to_thread=True,
    summary="An Alertmanager webhook; the same alert sent twice opens one investigation",
    responses=REFUSALS,
)
def alertmanager(desk: NamedDependency[Desk], data: JSONBody[dict[str, Any]]) -> OpenedPage:
    return OpenedPage(investigations=tuple(desk.receive(data)))


ROUTES: list[HTTPRouteHandler] = [health, alertmanager]

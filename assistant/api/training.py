"""The routes of training runs: send one, take one over from MLflow, and hear of new versions in its registry."""

from http import HTTPStatus
from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, RawBody

from assistant.api.problems import REFUSALS
from assistant.api.training_desk import TrainingDesk
from assistant.wire import Announced, MlflowRun, RunStored, TrainingRun

_Training = NamedDependency[TrainingDesk]
MOST_BYTES = 64 << 20
"""Of a training run's record: curves of many steps are long."""


@post(
    "/training-runs",
    status_code=HTTPStatus.CREATED,
    sync_to_thread=True,
    request_max_body_size=MOST_BYTES,
    summary="A training run with its partitions and curves; the same id again replaces it",
    responses=REFUSALS,
)
def store(training: _Training, data: JSONBody[TrainingRun]) -> RunStored:
    return training.store(data)


@post(
    "/training-runs/mlflow",
    status_code=HTTPStatus.CREATED,
    sync_to_thread=True,
    summary="Take a training run over from the MLflow server of the settings",
    responses=REFUSALS,
)
def take_over(training: _Training, data: JSONBody[MlflowRun]) -> RunStored:
    return training.take_over(data.run, data.model, data.snapshot)


@post(
    "/registry/mlflow",
    status_code=HTTPStatus.ACCEPTED,
    sync_to_thread=True,
    summary="A webhook of MLflow's model registry, signed; a new version becomes a snapshot, and is checked",
    responses=REFUSALS,
)
def announced(training: _Training, request: Request[Any, Any, Any], body: RawBody) -> Announced:
    return training.announced(dict(request.headers), body)


ROUTES: list[HTTPRouteHandler] = [store, take_over, announced]

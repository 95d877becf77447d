"""The one composition root: nothing else builds the store, the ports, the driver and the service around them."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig

from assistant.api import intake, investigations, pipelines, snapshots, training
from assistant.api.bell import Bell
from assistant.api.desk import Desk
from assistant.api.lineage import lineage_routes
from assistant.api.lineage_desk import LineageDesk
from assistant.api.pipeline_desk import PipelineDesk
from assistant.api.problems import as_problem
from assistant.api.samples import sample_routes
from assistant.api.snapshot_desk import SnapshotDesk
from assistant.api.tools import tool_routes
from assistant.api.training_desk import TrainingDesk
from assistant.planner.driver import Driver
from assistant.planner.library import Library
from assistant.publishing import rules
from assistant.publishing.checker import Checker
from assistant.settings import Settings
from assistant.wire import PREFIX
from knowledge.catalogue import load_catalogue
from knowledge.workspace import SNAPSHOTS, Workspace
from tools.registry import all_tools


def create_app(settings: Settings) -> Litestar:
    """The service over one data folder. Its lifespan resumes what is unfinished, and gives the folder back at the end.

    Raises `StoreError` where the folder cannot be used, `CatalogueFault`, `UnknownPlaybook` and `FaultyPlaybook` where
    the playbook that alerts are walked with cannot be walked.
    """
    tools = all_tools()
    library = Library(load_catalogue(settings.playbook_folders), tools)
    for playbook in (settings.playbook, rules.PLAYBOOK):
        library.playbook(playbook)  # refused at the start rather than at the first alert
    workspace = Workspace.open(
        settings.data_dir,
        settings.snapshot_roots,
        settings.baseline_days,
        settings.samples_kept,
        settings.factories,
        settings.orchestrators,
        settings.pipelines,
        settings.cluster,
    )
    bell = Bell()
    driver = Driver(workspace.log, workspace.ports, library, tools, _now, on_event=lambda e: bell.ring(e.investigation))
    desk = Desk(workspace, driver, bell, playbook=settings.playbook, at_once=settings.at_once, tools=len(tools))
    baseline = timedelta(days=settings.baseline_days)
    checker = Checker(workspace, tools, lambda alert: desk.open_once(alert, rules.PLAYBOOK), baseline, _now)
    snapshot_desk, pipeline_desk = SnapshotDesk(workspace, checker), PipelineDesk(workspace)
    lineage_desk = LineageDesk(workspace.lineage, workspace.receiver.openlineage)
    training_desk = TrainingDesk(workspace, snapshot_desk, settings.data_dir / SNAPSHOTS, settings.mlflow)

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        desk.resume()
        checker.start()
        try:
            yield
        finally:
            desk.close()
            checker.close()
            workspace.close()

    routes = [*intake.ROUTES, *investigations.ROUTES, *snapshots.ROUTES, *pipelines.ROUTES]
    routes += [*sample_routes(settings.api_keys), *lineage_routes(settings.api_keys)]
    routes += training.ROUTES
    routes += tool_routes(tools.values(), workspace.ports)
    return Litestar(
        [Router(PREFIX, route_handlers=routes)],
        dependencies={
            "desk": Provide(lambda: desk, sync_to_thread=False),
            "pipelines": Provide(lambda: pipeline_desk, sync_to_thread=False),
            "receiver": Provide(lambda: workspace.receiver, sync_to_thread=False),
            "lineage": Provide(lambda: lineage_desk, sync_to_thread=False),
            "snapshots": Provide(lambda: snapshot_desk, sync_to_thread=False),
            "training": Provide(lambda: training_desk, sync_to_thread=False),
        },
        exception_handlers={Exception: as_problem},
        openapi_config=OpenAPIConfig(title="HawkEye", version=version("hawkeye")),
        logging_config=None,  # what is logged where is for the command that serves, and not for the application
        lifespan=[lifespan],
    )


def _now() -> datetime:
    return datetime.now(UTC)

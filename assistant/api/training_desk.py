"""What may be done with training runs: store one that is sent, and take one over from MLflow with its snapshot."""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from assistant.api.problems import ApiError, conflict, unprocessable
from assistant.api.snapshot_desk import SnapshotDesk
from assistant.wire import Announced, RunStored, Snapshot
from knowledge import publishing
from knowledge.connectors.mlflow import Mlflow
from knowledge.connectors.tracking import Tracking
from knowledge.ingest import mlflow
from knowledge.workspace import Workspace
from tools.ports import PortError, UnreadableArtifact
from tools.records import Standing, TrainingRun


class TrainingDesk:
    """The training runs of one workspace. `root` is where published artifacts lie, `tracking` the MLflow server."""

    def __init__(self, workspace: Workspace, snapshots: SnapshotDesk, root: Path, tracking: Tracking | None) -> None:
        self._workspace, self._snapshots, self._root, self._tracking = workspace, snapshots, root, tracking

    def store(self, run: TrainingRun) -> RunStored:
        """Keep a run; the same id again replaces it."""
        self._workspace.receiver.receive_training_run(run.model_dump())
        return RunStored(run=run.run, model=run.model, curves=len(run.curves), partitions=len(run.partitions))

    def take_over(self, run_id: str, model: str, snapshot: str | None) -> RunStored:
        """Read a run from MLflow and keep it."""
        try:
            run, history = Mlflow(self._connected()).run(run_id)
            return self.store(mlflow.training_run(run, history, model, snapshot))
        except mlflow.MalformedMlflow as error:
            raise unprocessable(str(error)) from None
        except PortError as error:
            raise _bad_gateway(error) from None

    def announced(self, headers: Mapping[str, str], body: bytes) -> Announced:
        """A webhook of MLflow's registry. A new version is read from MLflow with its run and artifact, and registered.

        What MLflow does not hand out now is an error, so that MLflow sends the webhook again; nothing is stored before
        the snapshot's record, which is the last.
        """
        connection = self._connected()
        self._refuse_unsigned(connection, headers, body)
        try:
            created = mlflow.event_of(body).created()
            if created is None:
                return Announced(detail="only new versions of a model are of interest here")
            server = Mlflow(connection)
            return self._register(server, server.version(*created), connection)
        except mlflow.MalformedMlflow as error:
            raise unprocessable(str(error)) from None
        except PortError as error:
            raise _bad_gateway(error) from None

    def _connected(self) -> Tracking:
        if self._tracking is None:
            raise conflict("no MLflow server is configured; set `mlflow` with its url in the settings")
        return self._tracking

    def _refuse_unsigned(self, connection: Tracking, headers: Mapping[str, str], body: bytes) -> None:
        try:
            secret = connection.webhook_secret()
        except PortError as error:
            raise conflict(str(error)) from None
        if secret is None:
            raise conflict("webhooks of MLflow are not taken without a secret; set mlflow.webhook_secret_variable")
        try:
            mlflow.check_signature(secret, {k.lower(): v for k, v in headers.items()}, body, datetime.now(UTC))
        except mlflow.UnsignedWebhook as error:
            raise ApiError(HTTPStatus.UNAUTHORIZED, str(error)) from None

    def _register(self, server: Mlflow, version: mlflow.Version, connection: Tracking) -> Announced:
        model = connection.models.get(version.name, version.name)
        name = f"{version.name}/{version.version}"
        known = self._workspace.ports.models.snapshot(name)
        if version.run_id:
            run, history = server.run(version.run_id)
            self.store(mlflow.training_run(run, history, model, name))
        record = Snapshot(
            snapshot=name,
            model=model,
            published_at=known.published_at if known else mlflow.created_at(version),
            artifact=self._artifact(server, version, model, name),
            training_run=version.run_id or None,
            standing=known.standing if known else Standing.candidate,
        )
        _, is_new = self._snapshots.register(record)
        return Announced(snapshot=name, detail="registered, and is checked" if is_new else "was registered before")

    def _artifact(self, server: Mlflow, version: mlflow.Version, model: str, name: str) -> str | None:
        """Where the weights lie below a snapshot root: where the version's tag says, or in a copy that is made here."""
        told = version.tag(mlflow.ARTIFACT_TAG)
        if told:
            return told
        where = server.artifact(version)
        if where is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"artifact{Path(where[1]).suffix}"
            with file.open("wb") as out:
                server.download(where, out)
            try:
                return publishing.publish(file, self._root, model, name).artifact
            except (UnreadableArtifact, publishing.NotPublished) as refused:
                raise unprocessable(f"the artifact {where[1]} of {name} is refused: {refused}") from None


def _bad_gateway(error: PortError) -> ApiError:
    return ApiError(HTTPStatus.BAD_GATEWAY, str(error))

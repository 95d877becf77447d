"""MLflow's runs are read with all their points; what it refuses or garbles is said in plain words."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from knowledge.connectors.mlflow import Mlflow
from knowledge.connectors.tracking import Tracking
from knowledge.ingest import mlflow
from tests.knowledge.connectors.fake_mlflow import LOSS, RUN, STARTED_MS, TOKEN, serving
from tools.ports import PortError


def connector(url: str, folder: Path, token: str = TOKEN) -> Mlflow:
    (folder / "token").write_text(token)
    return Mlflow(Tracking(url=url, secret_file=folder / "token"))


def test_a_run_with_all_points_of_its_metrics_its_parameters_and_partitions(tmp_path: Path) -> None:
    with serving() as url:
        run, history = connector(url, tmp_path).run(RUN)
    told = mlflow.training_run(run, history, "badge", "badge/1")
    assert told.curves[0].values == tuple(LOSS)
    assert told.parameters == {"learning_rate": "0.02"}
    assert told.partitions[0].label_counts == {"0": 60, "1": 40}
    assert (told.status, told.started_at) == ("finished", datetime.fromtimestamp(STARTED_MS / 1000, UTC))


def test_the_artifact_of_a_version_is_found_in_its_folder_and_downloaded(tmp_path: Path) -> None:
    with serving(artifact=b"weights") as url:
        server, out = connector(url, tmp_path), io.BytesIO()
        where = server.artifact(server.version("badge", "1"))
        assert where == (f"run:{RUN}", "model/model.pt2")
        server.download(where, out)
        assert out.getvalue() == b"weights"


def test_refusals_are_said(tmp_path: Path) -> None:
    with serving() as url:
        with pytest.raises(PortError, match=r"refuses us .*who are you"):
            connector(url, tmp_path, "wrong").run(RUN)
        with pytest.raises(PortError, match="404"):
            connector(url, tmp_path).run("nobody")
    with pytest.raises(PortError, match="does not answer"):
        connector(url, tmp_path).run(RUN)


@pytest.mark.parametrize("tag", ["no json", '{"a": 1}', '[{"rows": 1}]'])
def test_a_tag_that_holds_no_partitions_is_refused(tag: str) -> None:
    told = {"info": {"run_id": "r", "start_time": 1}, "data": {"tags": [{"key": "hawkeye.partitions", "value": tag}]}}
    with pytest.raises(mlflow.MalformedMlflow, match=r"hawkeye\.partitions"):
        mlflow.training_run(mlflow.Run.model_validate(told), {}, "m")


def test_metrics_that_were_logged_without_steps_go_by_time_and_nan_stays() -> None:
    points = [mlflow.Point.model_validate({"key": "loss", "value": v, "timestamp": t}) for v, t in (("NaN", 2), (1, 1))]
    told = mlflow.training_run(mlflow.Run.model_validate({"info": {"run_id": "r"}}), {"loss": points}, "m")
    assert told.curves[0].steps == (0, 1)
    assert told.curves[0].values[0] == 1
    assert str(told.curves[0].values[1]) == "nan"

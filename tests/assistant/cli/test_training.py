"""`hawkeye training import` and `hawkeye training profile`."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.assistant.cli.command import Hawkeye
from tests.knowledge.connectors import fake_mlflow

RUN: dict[str, Any] = {
    "run": "train/1",
    "model": "dcn",
    "started_at": "2026-01-05T02:00:00Z",
    "curves": [{"name": "loss", "steps": [0, 1], "values": [0.5, 0.25]}],
    "partitions": [{"dataset": "d", "partition": "2026-01-04", "rows": 10}],
}


def record(folder: Path, told: object) -> Path:
    path = folder / "run.json"
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    return path


def test_a_record_is_kept_with_what_the_command_says_on_top(hawkeye: Hawkeye, tmp_path: Path) -> None:
    done = hawkeye("training", "import", "--file", record(tmp_path, RUN), "--model", "mlp", "--snapshot", "mlp/1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "train/1 of mlp is kept, with 1 curves and 1 partitions\n"


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("{", "is no JSON"),
        ("[1]", "holds no record of a training run"),
        ({**RUN, "started_at": "yesterday"}, "this is no training run: started_at"),
        ({**RUN, "curves": [{"name": "loss", "steps": [0], "values": [0.5, 0.25]}]}, "has 1 steps but 2 values"),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(hawkeye: Hawkeye, tmp_path: Path, told: object, says: str) -> None:
    assert says in hawkeye("training", "import", "--file", record(tmp_path, told)).refused(1)
    assert "cannot read" in hawkeye("training", "import", "--file", tmp_path / "none.json").refused(1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ((), "give --mlflow, or --events, --file, or both of these"),
        (("--mlflow", "r", "--file", "f.json"), "give --mlflow, or --events, --file, or both of these"),
        (("--mlflow", "r"), "give --model"),
    ],
)
def test_what_cannot_be_asked_is_said(hawkeye: Hawkeye, asked: tuple[str, ...], says: str) -> None:
    assert says in hawkeye("training", "import", *asked).refused(2)


def test_event_files_become_the_curves_of_a_record(hawkeye: Hawkeye, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tests.knowledge.test_tensorboard import write

    folder = tmp_path / "night"
    folder.mkdir()
    write(folder, [0.5, 0.25])
    told = {name: value for name, value in RUN.items() if name != "curves"}
    done = hawkeye("training", "import", "--events", folder, "--file", record(tmp_path, told))
    assert done.stdout == "train/1 of dcn is kept, with 2 curves and 1 partitions\n", done.stderr
    assert "--started-at" in hawkeye("training", "import", "--events", folder, "--model", "dcn").refused(2)
    begun = ("--started-at", "2026-01-05T02:00:00+0000")
    assert "nowhere" in hawkeye("training", "import", "--events", "nowhere", "--model", "dcn", *begun).refused(1)
    done = hawkeye("training", "import", "--events", folder, "--model", "dcn", *begun)
    assert done.stdout == "night of dcn is kept, with 2 curves and 0 partitions\n", done.stderr


def test_a_run_of_mlflow_is_taken_over(hawkeye: Hawkeye) -> None:
    with fake_mlflow.serving() as url:
        reached = {"HAWKEYE_MLFLOW": f"url={url},secret_variable=MLFLOW_TOKEN", "MLFLOW_TOKEN": fake_mlflow.TOKEN}
        done = hawkeye("training", "import", "--mlflow", fake_mlflow.RUN, "--model", "dcn", **reached)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"abc123 of dcn is kept, with \d curves and \d partitions\n", done.stdout)
        assert "no run" in hawkeye("training", "import", "--mlflow", "none", "--model", "dcn", **reached).refused(1)
    told = hawkeye("training", "import", "--mlflow", "abc", "--model", "dcn").refused(1)
    assert "no MLflow server is configured" in told


def test_a_partition_is_profiled_into_its_record(hawkeye: Hawkeye, tmp_path: Path) -> None:
    file = tmp_path / "2026-01-05.parquet"
    rows = pa.table({"id": [1, 2, 3, 3], "wind": [1.0, None, float("nan"), 4.0], "late": [True, False, True, True]})
    pq.write_table(rows, file)
    day = ("--start", "2026-01-05T00:00:00+0000", "--end", "2026-01-06T00:00:00+0000")
    done = hawkeye("training", "profile", file, "--dataset", "d", "--label", "late", "--key", "id", *day)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["dataset"], told["partition"], told["rows"]) == ("d", "2026-01-05", 4)
    assert (told["duplicates"], told["label_counts"]) == (1, {"1": 3, "0": 1})
    assert (told["columns"]["wind"]["null_count"], told["columns"]["wind"]["max"]) == (2, 4.0)
    assert told["day"]["end"].startswith("2026-01-06")


def test_what_cannot_be_profiled_is_refused_in_one_line(hawkeye: Hawkeye, tmp_path: Path) -> None:
    file = tmp_path / "p.parquet"
    file.write_bytes(b"PAR1 and nothing else")
    assert "no Parquet that can be read" in hawkeye("training", "profile", file, "--dataset", "d").refused(1)
    pq.write_table(pa.table({"x": [1]}), file)
    asked = ("training", "profile", file, "--dataset", "d")
    assert "has no column 'y'" in hawkeye(*asked, "--label", "y").refused(1)
    assert "--start and --end" in hawkeye(*asked, "--start", "2026-01-05T00:00:00+0000").refused(2)
    late = ("--start", "2026-01-06T00:00:00+0000", "--end", "2026-01-05T00:00:00+0000")
    assert hawkeye(*asked, *late).refused(1)

"""`hawkeye snapshot` over a data folder of its own."""

import json
from pathlib import Path

import pytest

from tests.assistant.cli.command import Hawkeye
from tests.assistant.publishing.platform import MODEL, Platform


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A file that a training has left somewhere."""
    return tmp_path / "home" / str(Platform(tmp_path / "home").day().snapshot["artifact"])


def test_a_file_becomes_a_checked_snapshot_on_the_timeline(hawkeye: Hawkeye, artifact: Path, tmp_path: Path) -> None:
    ran = hawkeye("snapshot", "publish", artifact, "--model", MODEL, "--published-at", "2013-05-04T09:00:00Z")
    assert ran.returncode == 0, ran.stderr
    name = f"{MODEL}/{artifact.stem}"
    assert ran.stdout.startswith(f"{name} is published as model={MODEL}/")
    assert "check: not checked\n  snapshot_diff: " in ran.stdout
    listed = hawkeye("snapshot", "list", "--model", MODEL).stdout
    assert listed.startswith(f"2013-05-04 09:00  {name}  candidate\n    check: not checked\n")

    again = hawkeye("snapshot", "publish", artifact, "--model", MODEL, "--training-run", "r1", "--json")
    told = json.loads(again.stdout)
    assert told["record"]["published_at"] == "2013-05-04T09:00:00Z", "what is not said again stays as it was"
    assert told["record"]["training_run"] == "r1"
    page = json.loads(hawkeye("snapshot", "list", "--model", MODEL, "--json").stdout)
    assert [line["snapshot"] for line in page["snapshots"]] == [name]


def test_what_cannot_be_published_says_why(hawkeye: Hawkeye, artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pt2").write_bytes(artifact.read_bytes()[:-100])
    for file, reason in (
        ("broken.pt2", "broken.pt2 is refused"),
        ("gone.pt2", "there is no file"),
        ("x.txt", "end in"),
    ):
        assert reason in hawkeye("snapshot", "publish", tmp_path / file, "--model", MODEL).refused(1)
    assert hawkeye("snapshot", "publish", artifact, "--model", MODEL, "--snapshot", "s").returncode == 0
    other = hawkeye("snapshot", "publish", artifact, "--model", "another", "--snapshot", "s")
    assert "s is known with the model 'late'" in other.refused(1)
    assert "--published-at" in hawkeye(
        "snapshot", "publish", artifact, "--model", MODEL, "--published-at", "yesterday"
    ).refused(2)
    assert "--model" in hawkeye("snapshot", "publish", artifact).refused(2)


def test_a_model_or_service_that_is_not_there(hawkeye: Hawkeye) -> None:
    assert "there is no model 'nobody'" in hawkeye("snapshot", "list", "--model", "nobody").refused(1)
    for url, reason in (("http://127.0.0.1:9", "does not answer"), ("there", "is not the address of a service")):
        assert reason in hawkeye("snapshot", "list", "--model", MODEL, "--url", url).refused(1)

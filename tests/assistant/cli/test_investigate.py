import json
import re
from pathlib import Path

import pytest

from tests.assistant import small
from tests.assistant.cli.command import hawkeye, refused

LAST = "verdict: training.learning_rate dcn/2013-05-04 (confidence 0.90)"


@pytest.fixture
def alert(tmp_path: Path) -> Path:
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(small.webhook()))
    return path


def test_auto_takes_the_recommended_answers_and_approves_nothing(tmp_path: Path, alert: Path) -> None:
    done = hawkeye(tmp_path, "investigate", "--alert", alert, "--auto")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == LAST
    assert "▹ No   (auto)" in done.stdout
    assert "not approved by auto" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_json_is_one_document(tmp_path: Path, alert: Path) -> None:
    done = hawkeye(tmp_path, "investigate", "--alert", alert, "--auto", "--json")
    document = json.loads(done.stdout)
    assert document["verdict"]["cause"] == "training.learning_rate"
    assert [step["step"] for step in document["steps"]] == ["isolate", "launch", "pause", "pause", "rate"]
    assert document["events"][0]["type"] == "Opened"


def test_a_person_answers_and_approves_on_the_terminal(tmp_path: Path, alert: Path) -> None:
    done = hawkeye(tmp_path, "investigate", "--alert", alert, input="2\ny\nit spreads\n")
    assert done.returncode == 0, done.stderr
    assert "approved by" in done.stdout
    assert "read back: " in done.stdout
    assert done.stdout.splitlines()[-1] == LAST
    other = hawkeye(tmp_path, "investigate", "--alert", alert)
    assert other.stdout.splitlines()[-1] == LAST, "the same alert is one investigation, and its end is shown again"


def test_what_was_stopped_is_resumed_where_it_was(tmp_path: Path, alert: Path) -> None:
    stopped = hawkeye(tmp_path, "investigate", "--alert", alert)
    found = re.search(r"--resume (inv-\w+)", refused(stopped, 130))
    assert found is not None
    done = hawkeye(tmp_path, "investigate", "--resume", found[1], "--auto", "--data", tmp_path / "data")
    assert done.stdout.splitlines()[-1] == LAST
    assert done.stdout.count("? Was anything launched?") == 1


def test_an_alert_of_our_own_form(tmp_path: Path, alert: Path) -> None:
    own = {
        "alert": "mine",
        "product": "badge",
        "metric": "share",
        "title": "It fell",
        "started_at": "2013-05-04T01:00:00Z",
        "window": {"start": "2013-05-04T00:00:00Z", "end": "2013-05-04T02:00:00Z"},
        "baseline": {"start": "2013-04-20T00:00:00Z", "end": "2013-05-04T00:00:00Z"},
    }
    alert.write_text(json.dumps(own))
    done = hawkeye(tmp_path, "investigate", "--alert", alert, "--auto")
    assert done.stdout.splitlines()[-1] == LAST, done.stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, alert: Path) -> None:
    import subprocess

    from tests.assistant.cli.command import COMMAND, environment

    with subprocess.Popen(
        [*COMMAND, "playbook", "check"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


def test_an_ascii_terminal_gets_what_it_can_show(tmp_path: Path, alert: Path) -> None:
    from tests.assistant.cli.command import environment

    env = {**environment(tmp_path), "PYTHONIOENCODING": "ascii"}
    done = hawkeye(tmp_path, "investigate", "--alert", alert, "--auto", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == LAST

import json
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.assistant.cli.command import COMMAND, Hawkeye, environment, in_own_process

LAST = "verdict: training.learning_rate dcn/2013-05-04 (confidence 0.90)"


def test_auto_takes_the_recommended_answers_and_approves_nothing(tmp_path: Path, alert: Path) -> None:
    done = in_own_process(tmp_path, "investigate", "--alert", alert, "--auto")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == LAST
    assert "▹ No   (auto)" in done.stdout
    assert "not approved by auto" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_json_is_one_document(hawkeye: Hawkeye, alert: Path) -> None:
    document = json.loads(hawkeye("investigate", "--alert", alert, "--auto", "--json").stdout)
    assert document["verdict"]["cause"] == "training.learning_rate"
    assert [step["step"] for step in document["steps"]] == ["isolate", "launch", "pause", "pause", "rate"]
    assert document["events"][0]["type"] == "Opened"


def test_a_person_answers_and_approves_on_the_terminal(hawkeye: Hawkeye, alert: Path) -> None:
    done = hawkeye("investigate", "--alert", alert, typed="2\ny\nit spreads\n")
    assert done.returncode == 0, done.stderr
    assert "approved by" in done.stdout
    assert "read back: " in done.stdout
    assert done.stdout.splitlines()[-1] == LAST
    again = hawkeye("investigate", "--alert", alert)
    assert again.stdout.splitlines()[-1] == LAST, "the same alert is one investigation, and its end is shown again"


def test_without_an_answer_nothing_is_lost_and_it_is_resumed_where_it_was(
    hawkeye: Hawkeye, tmp_path: Path, alert: Path
) -> None:
    found = re.search(
        r"Go on with: hawkeye investigate --resume (inv-\w+)", hawkeye("investigate", "--alert", alert).refused(130)
    )
    assert found is not None
    done = hawkeye("investigate", "--resume", found[1], "--auto", "--data", tmp_path / "data")
    assert done.stdout.splitlines()[-1] == LAST
    assert done.stdout.count("? Was anything launched?") == 1


def test_an_alert_of_our_own_form(hawkeye: Hawkeye, alert: Path) -> None:
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
    done = hawkeye("investigate", "--alert", alert, "--auto")
    assert done.stdout.splitlines()[-1] == LAST, done.stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    command = [*COMMAND, "playbook", "check"]
    variables = os.environ | environment(tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_an_ascii_terminal_gets_what_it_can_show(tmp_path: Path, alert: Path) -> None:
    variables = os.environ | environment(tmp_path) | {"PYTHONIOENCODING": "ascii"}
    done = in_own_process(tmp_path, "investigate", "--alert", alert, "--auto", env=variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == LAST


def test_ctrl_c_at_a_question_leaves_it_resumable(tmp_path: Path, alert: Path) -> None:
    command = [*COMMAND, "investigate", "--alert", str(alert)]
    variables, pipe = os.environ | environment(tmp_path), subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=variables) as process:
        assert process.stdout is not None
        assert any("2. No" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Go on with: hawkeye investigate --resume inv-" in errors
    assert "Traceback" not in errors

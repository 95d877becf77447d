import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.assistant import small
from tests.assistant.cli.command import environment, hawkeye, refused


@pytest.fixture
def alert(tmp_path: Path) -> Path:
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(small.webhook()))
    return path


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["investigate"], "either --alert FILE or --resume ID"),
        (["investigate", "--resume", "a", "--alert", "b"], "either --alert FILE or --resume ID"),
        (["drill", "run", "gremlins"], "'gremlins' is not one of 'weather_join'"),
        (["drill", "run", "nothing", "--seed", "-1"], "-1 is not in the range"),
        (["demo", "--seed", "many"], "not a valid integer"),
        (["serve", "--port", "99999"], "the command line sets port"),
    ],
)
def test_wrong_usage_ends_with_2(tmp_path: Path, args: list[str], says: str) -> None:
    assert says in refused(hawkeye(tmp_path, *args), 2)


def test_wrong_settings_end_with_2(tmp_path: Path, alert: Path) -> None:
    env = {**environment(tmp_path), "HAWKEYE_BASELINE_DAYS": "none"}
    done = hawkeye(tmp_path, "investigate", "--alert", alert, env=env)
    assert "the environment sets baseline_days" in refused(done, 2)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "not an Alertmanager webhook payload"),
        (
            json.dumps(small.webhook(labels={"product": "x", "metric": "share"})),
            "'x', which is not known; known: badge",
        ),
        (
            json.dumps(small.webhook(labels={"product": "badge", "metric": "x"})),
            "badge has no metric 'x'; it has share",
        ),
        (json.dumps(small.webhook(status="resolved")), "no alert of the payload is firing"),
        (json.dumps({"alert": "a", "product": "badge"}), "alert.metric: Field required"),
    ],
)
def test_a_malformed_alert_ends_with_1(tmp_path: Path, alert: Path, content: str, says: str) -> None:
    alert.write_text(content)
    message = refused(hawkeye(tmp_path, "investigate", "--alert", alert, "--auto"), 1)
    assert says in " ".join(message.split())


def test_a_missing_alert_file_and_an_unknown_investigation_end_with_1(tmp_path: Path) -> None:
    missing = hawkeye(tmp_path, "investigate", "--alert", tmp_path / "none.json")
    assert "none.json: No such file or directory" in refused(missing, 1)
    unknown = hawkeye(tmp_path, "investigate", "--resume", "inv-none")
    assert "there is no investigation 'inv-none'" in refused(unknown, 1)


def test_a_damaged_database_is_named_and_left_as_it_is(tmp_path: Path, alert: Path) -> None:
    environment(tmp_path)
    database = tmp_path / "data" / "hawkeye.db"
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(b"not a database" * 1000)
    before = database.read_bytes()
    assert "is damaged" in refused(hawkeye(tmp_path, "investigate", "--alert", alert), 1)
    assert database.read_bytes() == before


def test_a_second_process_on_the_data_folder_is_told_so(tmp_path: Path, alert: Path) -> None:
    from knowledge.store import Store

    env = environment(tmp_path)
    store = Store.open(tmp_path / "data")
    try:
        for command in (["investigate", "--alert", alert], ["serve", "--port", "0"]):
            assert "in use by another process" in refused(hawkeye(tmp_path, *command, env=env), 1)
    finally:
        store.close()


def test_a_data_folder_that_is_a_file_is_told_so(tmp_path: Path, alert: Path) -> None:
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    env = {**environment(tmp_path), "HAWKEYE_DATA_DIR": str(alert)}
    assert "Choose another one" in refused(hawkeye(tmp_path, "investigate", "--alert", alert, env=env), 1)


def test_a_faulty_playbook_is_refused_with_every_fault(tmp_path: Path, alert: Path) -> None:
    env = environment(tmp_path)
    (tmp_path / "playbooks" / "small.toml").write_text(
        small.PLAYBOOK.replace('go = "pause"', 'go = "nowhere"').replace("training.learning_rate", "bad.luck")
    )
    message = refused(hawkeye(tmp_path, "investigate", "--alert", alert, env=env), 1)
    assert "nowhere" in message
    assert "bad.luck" in message
    checked = refused(hawkeye(tmp_path, "playbook", "check", tmp_path / "playbooks" / "small.toml", env=env), 1)
    assert "nowhere" in checked
    missing = hawkeye(tmp_path, "playbook", "check", tmp_path / "none.toml", env=env)
    assert "cannot be read" in refused(missing, 1)


def test_without_an_answer_on_the_terminal_nothing_is_lost(tmp_path: Path, alert: Path) -> None:
    done = hawkeye(tmp_path, "investigate", "--alert", alert)
    assert "Go on with: hawkeye investigate --resume inv-" in refused(done, 130)


def test_what_is_unforeseen_is_one_line_and_a_file(tmp_path: Path, alert: Path) -> None:
    env = environment(tmp_path)
    with sqlite3.connect(tmp_path / "data" / "hawkeye.db") as db:
        db.execute("DROP TABLE events")
    db.close()
    done = hawkeye(tmp_path, "investigate", "--alert", alert, env=env)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr

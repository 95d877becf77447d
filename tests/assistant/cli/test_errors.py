import json
import socket
import sqlite3
from pathlib import Path

import pytest

from knowledge.store import Store
from tests.assistant import small
from tests.assistant.cli.command import Hawkeye, environment, in_own_process


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
def test_wrong_usage_ends_with_2(hawkeye: Hawkeye, args: list[str], says: str) -> None:
    assert says in hawkeye(*args).refused(2)


def test_wrong_settings_end_with_2(hawkeye: Hawkeye, alert: Path) -> None:
    done = hawkeye("investigate", "--alert", alert, HAWKEYE_BASELINE_DAYS="none")
    assert "the environment sets baseline_days" in done.refused(2)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "not an Alertmanager webhook payload"),
        (
            json.dumps(small.webhook(labels={"product": "x", "metric": "share"})),
            "'x' is not known; known: badge",
        ),
        (
            json.dumps(small.webhook(labels={"product": "badge", "metric": "x"})),
            "badge has no metric 'x'; it has share",
        ),
        (json.dumps(small.webhook(status="resolved")), "no alert of the payload is firing"),
        (json.dumps({"alert": "a", "product": "badge"}), "alert.metric: Field required"),
    ],
)
def test_a_malformed_alert_ends_with_1(hawkeye: Hawkeye, alert: Path, content: str, says: str) -> None:
    alert.write_text(content)
    message = hawkeye("investigate", "--alert", alert, "--auto").refused(1)
    assert says in " ".join(message.split())


def test_a_missing_alert_file_and_an_unknown_investigation_end_with_1(hawkeye: Hawkeye, tmp_path: Path) -> None:
    missing = hawkeye("investigate", "--alert", tmp_path / "none.json")
    assert "none.json: No such file or directory" in missing.refused(1)
    unknown = hawkeye("investigate", "--resume", "inv-none")
    assert "there is no investigation 'inv-none'" in unknown.refused(1)


def test_a_damaged_database_is_named_and_left_as_it_is(hawkeye: Hawkeye, tmp_path: Path, alert: Path) -> None:
    environment(tmp_path)
    database = tmp_path / "data" / "hawkeye.db"
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(b"not a database" * 1000)
    before = database.read_bytes()
    assert "is damaged" in hawkeye("investigate", "--alert", alert).refused(1)
    assert database.read_bytes() == before


@pytest.mark.parametrize("command", [("investigate", "--resume", "inv-1"), ("serve", "--port", "0")])
def test_a_second_process_on_the_data_folder_is_told_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    environment(tmp_path)
    store = Store.open(tmp_path / "data")
    try:
        assert "in use by another process" in in_own_process(tmp_path, *command).refused(1)
    finally:
        store.close()


def test_a_data_folder_that_is_a_file_is_told_so(hawkeye: Hawkeye, alert: Path) -> None:
    done = hawkeye("investigate", "--alert", alert, HAWKEYE_DATA_DIR=str(alert))
    assert "Choose another one" in done.refused(1)


def test_a_taken_port_is_told_so(hawkeye: Hawkeye) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        message = hawkeye("serve", "--port", str(taken.getsockname()[1])).refused(1)
    assert "Choose another with --host and --port" in message


def test_a_faulty_playbook_is_refused_with_every_fault(hawkeye: Hawkeye, tmp_path: Path, alert: Path) -> None:
    environment(tmp_path)
    faulty = tmp_path / "playbooks" / "small.toml"
    faulty.write_text(
        small.PLAYBOOK.replace('go = "pause"', 'go = "nowhere"').replace("training.learning_rate", "bad.luck")
    )
    for command in (["investigate", "--alert", alert], ["playbook", "check", faulty]):
        message = hawkeye(*command).refused(1)
        assert "nowhere" in message
        assert "bad.luck" in message
    assert "cannot be read" in hawkeye("playbook", "check", tmp_path / "none.toml").refused(1)


def test_the_shipped_playbooks_have_no_faults(hawkeye: Hawkeye) -> None:
    done = hawkeye("playbook", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no faults" in done.stdout


def test_what_is_unforeseen_is_one_line_and_the_rest_is_in_the_log(tmp_path: Path, alert: Path) -> None:
    environment(tmp_path)
    db = sqlite3.connect(tmp_path / "data" / "hawkeye.db")
    db.execute("DROP TABLE products")
    db.close()
    done = in_own_process(tmp_path, "investigate", "--alert", alert)
    assert len(done.refused(1).splitlines()) == 1
    assert "no such table: products" in (tmp_path / "data" / "hawkeye.log").read_text()

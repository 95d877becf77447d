"""Killed at any moment, an investigation goes on from its log: nothing lost, nothing recorded or done twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.planner.driver import Driver
from knowledge.investigations import InvestigationLog
from knowledge.store import Store
from tests.assistant.planner.stand_ins import ALERT, TOOLS, ListLog, Orchestrator, Platform


def _to_the_end(driver: Driver) -> None:
    """A person who answers what is recommended and approves every plan."""
    while True:
        state = driver.advance("i1")
        if state.question is not None:
            driver.answer("i1", state.question.step, state.question.recommended, "ann")
        elif state.awaiting is not None:
            driver.approve("i1", state.awaiting.plan.plan_hash, "ann", "go")
        else:
            return


def _whole() -> Platform:
    platform = Platform()
    driver = platform.driver()
    driver.open(ALERT, "walk")
    _to_the_end(driver)
    return platform


WHOLE = _whole()


EVERY = range(1, len(WHOLE.log.rows_) + 1)
APPROVED = WHOLE.types().index("ActionApproved") + 1


@pytest.mark.parametrize(
    ("kept", "paused"),
    [*((kept, kept > APPROVED) for kept in EVERY), pytest.param(APPROVED, True, id="done-unrecorded")],
)
def test_resumed_after_every_event(kept: int, paused: bool) -> None:
    platform = Platform(log=ListLog(list(WHOLE.log.rows_[:kept])), orchestrator=Orchestrator(paused=paused))
    _to_the_end(platform.driver())
    assert platform.log.without_times() == WHOLE.log.without_times()
    assert platform.orchestrator.paused
    assert platform.orchestrator.switched == (0 if paused else 1)


def test_sigkill_in_the_middle_of_a_tool_on_a_real_store(tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_walk.py")
    root = str(Path(__file__).parents[3])
    env = {**os.environ, "PYTHONPATH": root}
    killed = subprocess.run([sys.executable, str(script), str(tmp_path)], env=env, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    store = Store.open(tmp_path)
    try:
        log = InvestigationLog(store)
        before = [row["type"] for row in log.rows("i1")]
        assert before[-1] == "ToolCalled"
        platform = Platform(log=log, tools=dict(TOOLS))  # type: ignore[arg-type]
        state = platform.driver().auto("i1")
        after = [row["type"] for row in log.rows("i1")]
    finally:
        store.close()
    assert after[: len(before)] == before
    assert after.count("ToolCalled") == after.count("ToolAnswered")
    assert state.verdict is not None
    assert state.verdict.cause == "broken"

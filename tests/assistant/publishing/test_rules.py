"""What the answers of the three tools make of a snapshot: sure faults accuse, missing answers never do."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from assistant.publishing import rules
from knowledge.snapshot_check import CheckOutcome
from tools.contract import Finding, Status
from tools.records import Snapshot, TrainingRun
from tools.registry import all_tools
from tools.stats.weight_story import StoryName

AT = datetime(2013, 5, 4, 9, tzinfo=UTC)
SNAPSHOT = Snapshot(snapshot="dcn/4", model="dcn", published_at=AT)
CLEAN: dict[str, dict[str, Any]] = {
    "snapshot_diff": {"unusual": False, "confidence": 0.9},
    "graph_walk": {"bad": False, "confidence": 0.99},
    "training_data": {"partition_problem": "none", "curve_problem": "none", "confidence": 0.95},
}


def findings(**changes: dict[str, Any] | Status) -> list[Finding]:
    """Clean findings of the three tools, with other facts or another status for some."""
    found = []
    for tool in rules.TOOLS:
        change = changes.get(tool, {})
        status = change if isinstance(change, Status) else Status.answered
        facts = {} if isinstance(change, Status) else CLEAN[tool] | change
        found.append(Finding(tool=tool, status=status, headline=f"{tool} says so", facts=facts))
    return found


def test_all_clean_is_healthy() -> None:
    assert rules.judge(findings()) == (CheckOutcome.healthy, ())


@pytest.mark.parametrize("status", [Status.no_data, Status.inconclusive, Status.failed])
@pytest.mark.parametrize("tool", rules.TOOLS)
def test_what_could_not_be_answered_is_not_checked_and_never_suspicious(tool: str, status: Status) -> None:
    outcome, reasons = rules.judge(findings(**{tool: status}))
    assert outcome is CheckOutcome.not_checked
    assert reasons == (f"{tool}: {tool} says so",)


@pytest.mark.parametrize(
    ("tool", "facts"),
    [
        ("snapshot_diff", {"unusual": True}),
        ("graph_walk", {"bad": True, "new": True}),
        ("graph_walk", {"bad": True, "new": None}),
        ("training_data", {"curve_problem": "diverged"}),
        ("training_data", {"partition_problem": "labels"}),
    ],
)
def test_one_sure_fault_is_suspicious_whatever_the_others_say(tool: str, facts: dict[str, Any]) -> None:
    sure, unsure, unknown = ({**facts, "confidence": confidence} for confidence in (0.95, 0.7, None))
    silent: dict[str, Any] = {other: Status.no_data for other in rules.TOOLS if other != tool}
    for others in ({}, silent):
        outcome, reasons = rules.judge(findings(**others, **{tool: sure}))
        assert outcome is CheckOutcome.suspicious
        assert reasons[0] == f"{tool}: {tool} says so"
        assert len(reasons) == 1 + len(others), "what could not be checked is said besides"
    for weak in (unsure, unknown, {**facts, "confidence": float("nan")}):
        outcome, reasons = rules.judge(findings(**{tool: weak}))
        assert outcome is CheckOutcome.not_checked
        assert "not sure enough" in reasons[0]


def test_rows_that_break_the_snapshot_before_as_well_are_not_its_fault() -> None:
    outcome, reasons = rules.judge(findings(graph_walk={"bad": True, "new": False, "confidence": 0.99}))
    assert outcome is CheckOutcome.not_checked
    assert "does the same on these rows" in reasons[0]


@pytest.mark.parametrize("story", rules.ALONE)
def test_a_part_that_moved_alone_needs_another_witness(story: str) -> None:
    alone = {"unusual": True, "story": story, "confidence": 0.99}
    outcome, reasons = rules.judge(findings(snapshot_diff=alone))
    assert outcome is CheckOutcome.not_checked
    assert "nothing else agrees" in reasons[0]
    agreeing: list[dict[str, dict[str, Any]]] = [
        {"graph_walk": {"bad": True, "new": True, "confidence": 0.5}},
        {"training_data": {"curve_problem": "diverged", "confidence": 0.6}},
    ]
    for witness in agreeing:
        assert rules.judge(findings(snapshot_diff=alone, **witness))[0] is CheckOutcome.suspicious
    same_before = {"bad": True, "new": False, "confidence": 0.99}
    assert rules.judge(findings(snapshot_diff=alone, graph_walk=same_before))[0] is CheckOutcome.not_checked


def test_every_story_that_needs_a_witness_is_one_that_is_told() -> None:
    assert set(rules.ALONE) < set(get_args(StoryName))


def test_the_questions_are_what_the_tools_take() -> None:
    alert = rules.alert_of(SNAPSHOT, "badge", None, timedelta(days=14))
    for tool, params in rules.questions(alert).items():
        assert set(params) <= set(all_tools()[tool].params.model_fields), tool


@pytest.mark.parametrize("hours_before", [None, 1, 0, -5])
def test_the_window_lies_before_the_publication_also_with_clocks_that_differ(hours_before: int | None) -> None:
    run = None
    if hours_before is not None:
        run = TrainingRun(run="r", model="dcn", started_at=AT - timedelta(hours=hours_before))
    alert = rules.alert_of(SNAPSHOT, None, run, timedelta(days=14))
    assert alert.window.end == AT
    assert alert.window.start < AT
    assert alert.baseline.end == alert.window.start
    assert alert.product == "dcn"
    assert rules.alert_of(SNAPSHOT, None, run, timedelta(days=14)) == alert


def test_long_names_fit() -> None:
    long = SNAPSHOT.model_copy(update={"snapshot": "ü" * 200})
    assert len(rules.alert_of(long, "badge", None, timedelta(days=14)).alert) <= 200

"""A recorded-looking incident in the log's own types: what the tests of the screen are shown, part by part."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from assistant.wire import (
    ActionApproved,
    ActionDone,
    ActionProposed,
    ActionRefused,
    Alert,
    AnswerGiven,
    Because,
    BranchTaken,
    Chart,
    Choice,
    Estimate,
    Event,
    Evidence,
    Finding,
    FindingStatus,
    Opened,
    Plan,
    QuestionAsked,
    Source,
    ToolAnswered,
    ToolCalled,
    Verdict,
    VerdictReached,
    Window,
)

ID = "inv-1"
DAY = datetime(2013, 5, 4, 11, tzinfo=UTC)
WINDOW = Window(start=DAY, end=DAY + timedelta(hours=21))
BASELINE = Window(start=DAY - timedelta(days=14), end=DAY)
ALERT = Alert(
    alert="badge-low",
    product="flight_search_badge",
    metric="on_time_badge_share",
    title="Fewer on-time badges are right than usual",
    started_at=DAY,
    window=WINDOW,
    baseline=BASELINE,
)
PLAN = Plan(
    tool="pipeline_pause",
    action="pause",
    target="train_badge_dcn",
    summary="Pause the daily training of badge_dcn, so that no further snapshot learns from the broken weather join.",
    effects=("badge_dcn keeps its snapshot of 3 May", "training_badge_dcn goes stale after 24 h"),
    state_before={"paused": False, "active_runs": [], "next_run_at": "2013-05-05T09:00:00Z"},
    expires_at=DAY + timedelta(hours=24),
    plan_hash="3f9a1c2b4d5e6f708192a3b4c5d6e7f8",
)
VERDICT = Verdict(
    cause="data.upstream_code_change",
    target="badge_dcn:wind_speed from flights:weather_joined",
    confidence=0.93,
    explanation="The job that joins the weather was changed on 4 May at 10:00; since then wind_speed is null for EWR.",
    how_to_confirm="Read the change of flights:job.join_weather and run it on one hour of EWR.",
    mitigation="Take the change back, and pause the training that reads from the join.",
    chain=("badge_dcn lost against badge_mlp in the same hours", "wind_speed turned null at EWR"),
    ruled_out=("the snapshot of 4 May: the drop precedes its rollout",),
    not_checked=("the forward pass, operator by operator: graph_walk is not available in this version",),
    would_settle=("a run of the join with the previous code",),
)


def finding(**changes: Any) -> Finding:
    """The finding of the isolation step."""
    shares = [0.74, 0.75, 0.73, math.nan, 0.76, 0.75, 0.74, 0.75, 0.62, 0.61, 0.6, 0.62]
    evidence = Evidence(
        claim="In the same hours, badges of badge_dcn were right 6.1 points less often than those of badge_mlp.",
        bearing="for",
        effect=Estimate(value=-6.1, low=-7.4, high=-4.8, unit="points"),
        method="difference in differences over hour blocks",
        q_value=0.0004,
        n=18400,
        window=WINDOW,
        sources=(Source(kind="metric", ref="flight_search_badge/on_time_badge_share"),),
    )
    unknown = Evidence(
        claim="No build stands out among the regions.",
        bearing="against",
        effect=Estimate(value=math.nan, low=math.nan, high=math.nan),
        sources=(Source(kind="metric", ref="flight_search_badge/on_time_badge_share"),),
    )
    fields: dict[str, Any] = {
        "tool": "model_isolation",
        "status": FindingStatus.answered,
        "interesting": True,
        "headline": "badge_dcn is worse than its peers in the same hours, [most] of it at EWR",
        "facts": {"factor": "model", "model": "badge_dcn", "confidence": 0.97},
        "evidence": (evidence, unknown),
        "ruled_out": ("a real change of the flights: badge_mlp sees the same ones",),
        "charts": (Chart(title="on time share of badge_dcn by hour", values=tuple(shares), mark=8, unit=""),),
    }
    return Finding(**(fields | changes))


def asked(step: str, question: str, recommended: str = "yes") -> dict[str, Any]:
    """A question of the walk."""
    return {
        "type": QuestionAsked,
        "step": step,
        "question": question,
        "why": "A release or a sale that you know of would explain the drop without any fault of a model.",
        "choices": (
            Choice(choice="yes", label="No, nothing was planned"),
            Choice(choice="no", label="Yes, something was planned"),
            Choice(choice="unknown", label="I don't know"),
        ),
        "recommended": recommended,
        "recommended_why": "nothing stands in the calendar",
        "because": (Because(fact="isolate.factor", value="model", test="is model"),),
    }


def opening() -> list[dict[str, Any]]:
    """Until the first question."""
    return [
        {
            "type": Opened,
            "alert": ALERT,
            "playbook": "topline_drop",
            "playbook_hash": "c0ffee",
            "code_version": "0.1.0",
        },
        {"type": ToolCalled, "step": "isolate", "tool": "model_isolation", "params": {}},
        {"type": ToolAnswered, "step": "isolate", "finding": finding()},
        branch("isolate", "planned"),
        asked("planned", "Was anything planned for this time that could lower the share of right badges?"),
    ]


def features() -> list[dict[str, Any]]:
    """From the first answer to the proposed action."""
    headline = "wind_speed of badge_dcn is null for every flight from EWR since 10:00"
    found = finding(tool="feature_ranking", headline=headline, charts=(), evidence=finding().evidence[:1])
    nothing = finding(
        tool="graph_walk",
        status=FindingStatus.no_data,
        headline="not available in this version",
        evidence=(),
        charts=(),
    )
    return [
        branch("planned", "features"),
        {"type": ToolCalled, "step": "features", "tool": "feature_ranking", "params": {}},
        {"type": ToolAnswered, "step": "features", "finding": found},
        branch("features", "graph"),
        {"type": ToolCalled, "step": "graph", "tool": "graph_walk", "params": {}},
        {"type": ToolAnswered, "step": "graph", "finding": nothing},
        branch("graph", "pause"),
        {"type": ActionProposed, "step": "pause", "plan": PLAN},
    ]


def branch(step: str, to: str) -> dict[str, Any]:
    return {"type": BranchTaken, "step": step, "to": to, "because": ()}


def approval(reason: str, actor: str) -> list[dict[str, Any]]:
    """The plan is carried out, and the walk ends."""
    named = {"step": "pause", "plan_hash": PLAN.plan_hash}
    return [
        {"type": ActionApproved, **named, "actor": actor, "reason": reason},
        {"type": ActionDone, **named, "state_after": {"paused": True}},
        branch("pause", "verdict"),
        {"type": VerdictReached, "step": "verdict", "verdict": VERDICT},
    ]


def refusal(reason: str, actor: str) -> list[dict[str, Any]]:
    """The plan is not carried out, and the walk ends all the same."""
    named = {"step": "pause", "plan_hash": PLAN.plan_hash}
    return [
        {"type": ActionRefused, **named, "actor": actor, "reason": reason},
        branch("pause", "verdict"),
        {"type": VerdictReached, "step": "verdict", "verdict": VERDICT},
    ]


def answered(step: str, choice: str, actor: str) -> dict[str, Any]:
    return {"type": AnswerGiven, "step": step, "choice": choice, "actor": actor}


def numbered(parts: list[dict[str, Any]], first: int) -> list[Event]:
    """Events of the log, from event `first` on."""
    made: list[Event] = []
    for seq, part in enumerate(parts, first):
        fields = {name: value for name, value in part.items() if name != "type"}
        made.append(part["type"](investigation=ID, seq=seq, at=DAY + timedelta(seconds=seq), **fields))
    return made

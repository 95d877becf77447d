"""A short investigation as a log: a tool, a question, an answer, a plan that is refused, and a verdict."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from assistant.wire import (
    Alert,
    Because,
    Chart,
    Choice,
    Estimate,
    Event,
    Evidence,
    Finding,
    FindingStatus,
    Plan,
    Source,
    Verdict,
    Window,
)
from tools.evidence import SourceKind

AT = datetime(2013, 5, 5, 8, tzinfo=UTC)
WINDOW = Window(start=AT - timedelta(hours=21), end=AT)
ALERT = Alert(
    alert="badge-1",
    product="badge",
    metric="share",
    title="The share of right badges fell",
    started_at=WINDOW.start,
    window=WINDOW,
    baseline=Window(start=WINDOW.start - timedelta(days=14), end=WINDOW.start),
)
FINDING = Finding(
    tool="model_isolation",
    status=FindingStatus.answered,
    interesting=True,
    headline="dcn does worse than mlp in the same hours",
    facts={"model": "dcn", "mix_share": math.nan},
    evidence=(
        Evidence(
            claim="dcn fell against mlp",
            bearing="for",
            effect=Estimate(value=-0.08, low=-0.1, high=-0.06),
            p_value=1e-9,
            q_value=2e-8,
            n=5120,
            window=WINDOW,
            sources=(Source(kind=SourceKind.metric, ref="share"),),
        ),
    ),
    ruled_out=("the traffic: its mix is as before",),
    not_checked=("infra: no dimension says where a request was served",),
    charts=(Chart(title="share by hour", values=(0.8, 0.79, math.nan, 0.6), labels=("08:00", "20:00"), mark=3),),
)
PLAN = Plan(
    tool="pipeline_pause",
    action="pause",
    target="train_dcn",
    summary="Pause train_dcn",
    effects=("dcn goes stale after 24 h",),
    state_before={"paused": False},
    expires_at=AT + timedelta(hours=1),
    plan_hash="c0ffee",
)
VERDICT = Verdict(
    cause="training.learning_rate",
    target="dcn/2013-05-04",
    targets=("dcn/2013-05-04",),
    confidence=0.966,
    explanation="The snapshot was trained with steps 50 times too large.",
    how_to_confirm="Train it again with the usual rate.",
    mitigation="Go back to dcn/2013-05-03.",
    chain=("isolate: dcn does worse than mlp",),
    ruled_out=("the traffic: its mix is as before",),
    not_checked=("the graph: not available in this version",),
    would_settle=("a second day of labels",),
)
_QUESTION: dict[str, Any] = {
    "question": "Was anything launched?",
    "why": "Only people know of a launch.",
    "choices": (Choice(choice="yes", label="Yes, a launch"), Choice(choice="unknown", label="I don't know")),
    "recommended": "unknown",
    "recommended_why": "the data do not say",
    "because": (Because(fact="facts.isolate.mix_share", value=0.01, test="below 0.25"),),
}
_LOG: tuple[dict[str, Any], ...] = (
    {"type": "Opened", "alert": ALERT, "playbook": "topline_drop", "playbook_hash": "1", "code_version": "0"},
    {"type": "ToolCalled", "step": "isolate", "tool": "model_isolation", "params": {}},
    {"type": "ToolAnswered", "step": "isolate", "finding": FINDING},
    {"type": "BranchTaken", "step": "isolate", "to": "launch", "because": ()},
    {"type": "QuestionAsked", "step": "launch", **_QUESTION},
    {"type": "AnswerGiven", "step": "launch", "choice": "unknown", "actor": "kim"},
    {"type": "BranchTaken", "step": "launch", "to": "pause", "because": ()},
    {"type": "ActionProposed", "step": "pause", "plan": PLAN},
    {"type": "ActionRefused", "step": "pause", "plan_hash": "c0ffee", "actor": "kim", "reason": "not at night"},
    {"type": "BranchTaken", "step": "pause", "to": "end", "because": ()},
    {"type": "VerdictReached", "step": "end", "verdict": VERDICT},
)
QUESTION_SEQ, PLAN_SEQ = 4, 7
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def log(until: int = len(_LOG) - 1, *more: dict[str, Any]) -> list[Event]:
    """The events up to and with number `until`, and then `more`."""
    rows = [*_LOG[: until + 1], *more]
    return [_EVENT.validate_python({"investigation": "inv-1", "seq": i, "at": AT, **row}) for i, row in enumerate(rows)]

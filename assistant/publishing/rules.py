"""What a published snapshot is asked, and what the answers make of it. Pure functions."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from assistant.planner.conditions import number
from knowledge.ingest.alert import Alert
from knowledge.snapshot_check import CheckOutcome
from tools.contract import Finding, Status
from tools.records import Snapshot, TrainingRun, Window

PLAYBOOK = "snapshot_published"
TOOLS = ("snapshot_diff", "graph_walk", "training_data")
SURE = {"snapshot_diff": 0.95, "graph_walk": 0.9, "training_data": 0.95}
"""How sure a tool must be before its word opens an investigation: what is estimated anew for every snapshot is wrong
now and then, and must be surer than what was counted on rows."""
ALONE = ("one_tensor", "feature_scale", "other_pattern", "small_updates")
"""Stories of snapshot_diff that healthy days tell too, now and then, and as surely: something else has to agree."""

Params = Mapping[str, Any]


def questions(alert: Alert) -> dict[str, Params]:
    """Tool → its parameters, in the order in which they are run."""
    more: dict[str, Params] = {
        "graph_walk": {"window": alert.window},
        "training_data": {"product": alert.product, "window": alert.window, "baseline": alert.baseline},
    }
    return {tool: {"snapshot": alert.snapshot, **more.get(tool, {})} for tool in TOOLS}


def alert_of(snapshot: Snapshot, product: str | None, run: TrainingRun | None, baseline: timedelta) -> Alert:
    """The alert that a suspicion would raise. Its window is from the start of the training to the publication.

    A model that belongs to no product that is known stands for itself.
    """
    begun = snapshot.published_at if run is None else min(run.started_at, snapshot.published_at)
    start = min(begun, snapshot.published_at - timedelta(minutes=1))
    return Alert(
        alert=f"snapshot-{blake2b(snapshot.snapshot.encode(), digest_size=12).hexdigest()}",
        product=product or snapshot.model,
        metric="published snapshot",
        title=f"The published snapshot {snapshot.snapshot} looks suspicious",
        started_at=snapshot.published_at,
        window=Window(start=start, end=snapshot.published_at),
        baseline=Window(start=start - baseline, end=start),
        labels={"model": snapshot.model},
        source="publishing",
        snapshot=snapshot.snapshot,
    )


def judge(findings: Sequence[Finding]) -> tuple[CheckOutcome, tuple[str, ...]]:
    """The outcome of a check, and the reasons for it: what points to a fault, and then what could not be answered.

    Nothing is called healthy by a check that could not be made, and nothing suspicious for want of data.
    """
    accusing = [finding for finding in findings if accuses(finding, findings)]
    open_ = [finding for finding in findings if finding not in accusing and not clears(finding)]
    said = [finding.headline for finding in accusing] + [_left_open(finding) for finding in open_]
    reasons = tuple(f"{finding.tool}: {text}" for finding, text in zip((*accusing, *open_), said, strict=True))
    if accusing:
        return CheckOutcome.suspicious, reasons
    return (CheckOutcome.not_checked if open_ else CheckOutcome.healthy), reasons


def accuses(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Whether a tool is sure of a fault that came with this snapshot, and is believed: by itself, or with another of
    the `findings` that points to a fault as well."""
    confidence = number(finding.facts.get("confidence"))
    is_sure = confidence is not None and confidence >= SURE[finding.tool]
    if not (_points_to_a_fault(finding) and is_sure) or _was_there_before(finding):
        return False
    others = (other for other in findings if other.tool != finding.tool and not _was_there_before(other))
    return finding.facts.get("story") not in ALONE or any(map(_points_to_a_fault, others))


def clears(finding: Finding) -> bool:
    """Whether a tool came to the answer that there is no fault."""
    return finding.status is Status.answered and not _points_to_a_fault(finding)


def _points_to_a_fault(finding: Finding) -> bool:
    facts = finding.facts
    match finding.tool:
        case "snapshot_diff":
            return facts.get("unusual") is True
        case "graph_walk":
            return facts.get("bad") is True
    return any(facts.get(name) not in (None, "none") for name in ("partition_problem", "curve_problem"))


def _was_there_before(finding: Finding) -> bool:
    """Whether the stable snapshot goes wrong on the same rows: then it is the rows, and not this snapshot."""
    return finding.facts.get("new") is False


def _left_open(finding: Finding) -> str:
    """Why a finding neither accuses nor clears."""
    if not _points_to_a_fault(finding):
        return finding.headline
    if _was_there_before(finding):
        return f"{finding.headline} (the snapshot before it does the same on these rows)"
    if finding.facts.get("story") in ALONE:
        return f"{finding.headline} (nothing else agrees, and this happens on healthy days now and then)"
    return f"{finding.headline} (but this is not sure enough to act on)"

"""A data folder with next to nothing in it, and a playbook that needs no more: tool, question, action, verdict."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.settings import Settings
from knowledge.connectors.embedded import EmbeddedOrchestrator
from knowledge.workspace import ORCHESTRATOR, Workspace

START = int(datetime(2013, 5, 4, tzinfo=UTC).timestamp())
PLAYBOOK = """
id = "small"
title = "Ask, act, conclude"
version = 1
start = "isolate"

[steps.isolate]
tool = "model_isolation"
otherwise = "launch"
no_data = "launch"

[steps.isolate.params]
product = "$alert.product"
metric = "$alert.metric"
window = "$alert.window"
baseline = "$alert.baseline"

[steps.launch]
question = "Was anything launched?"
why = "Only people know of a launch."
choices = [
    { choice = "yes", label = "Yes", go = "launched" },
    { choice = "no", label = "No", go = "pause" },
]
recommend_otherwise = "no"

[steps.pause]
propose = "pipeline_pause"
params = { pipeline = "train_dcn", action = "pause" }
next = "rate"

[steps.rate]
conclude = "training.learning_rate"
target = "dcn/2013-05-04"
confidence = [0.9]

[steps.launched]
conclude = "traffic.mix_shift"
target = "$alert.product"
confidence = [0.8]
"""


def settings(folder: Path) -> Settings:
    """Settings over a new small data folder below `folder`."""
    playbooks = folder / "playbooks"
    playbooks.mkdir()
    (playbooks / "small.toml").write_text(PLAYBOOK)
    made = Settings(data_dir=folder / "data", playbook_folders=(playbooks,), playbook="small", port=0)
    workspace = Workspace.open(made.data_dir)
    fill(workspace)
    workspace.close()
    return made


def fill(workspace: Workspace) -> None:
    """A product with two hours of one metric, and a pipeline in the embedded orchestrator."""
    metric = {"name": "share", "role": "topline", "better": "higher", "title": "right badges"}
    receiver = workspace.receiver
    receiver.receive_product({"product": "badge", "title": "Badge", "metrics": [metric]})
    receiver.receive_metrics(
        {
            "product": "badge",
            "metric": "share",
            "ts": [START, START + 3600],
            "dimensions": {"model": ["dcn", "dcn"]},
            "numerator": [8.0, 6.0],
            "denominator": [10.0, 10.0],
        }
    )
    receiver.receive_pipeline({"pipeline": "train_dcn", "orchestrator": "embedded", "writes": [], "every_h": 24})
    EmbeddedOrchestrator(workspace.store.folder / ORCHESTRATOR).register(
        "train_dcn", datetime(2013, 5, 6, tzinfo=UTC), every_h=24
    )


def webhook(**changes: Any) -> dict[str, Any]:
    """An Alertmanager webhook payload with one firing alert; `changes` go into the alert."""
    alert = {
        "status": "firing",
        "labels": {"alertname": "BadgeShareLow", "product": "badge", "metric": "share"},
        "annotations": {"summary": "The share of right badges fell", "rule_window": "1h"},
        "startsAt": "2013-05-04T01:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "f00d",
    }
    return {"version": "4", "status": "firing", "alerts": [alert | changes]}

"""An investigation as one JSON document, for scripts: where it stands, its verdict, its steps, and every event."""

import json
from collections.abc import Sequence

from assistant.wire import Event, InvestigationView


def render(view: InvestigationView, events: Sequence[Event]) -> str:
    """The document as text; floats that JSON has no word for are "NaN", "Infinity" and "-Infinity"."""
    document = {
        "investigation": view.summary.id,
        "status": view.summary.status.value,
        "playbook": view.summary.playbook,
        "alert": view.alert.model_dump(mode="json"),
        "verdict": None if view.summary.verdict is None else view.summary.verdict.model_dump(mode="json"),
        "steps": [step.model_dump(mode="json") for step in view.trail],
        "events": [event.model_dump(mode="json") for event in events],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)

"""Pipelines and what was done with them, as lines of text."""

from collections.abc import Iterator, Mapping
from typing import Any

from assistant.reports.transcript import printable
from assistant.wire import AuditEntry, AuditPage, PipelineLine, PipelinePage, PipelineState

_OUTCOMES = {
    "approved": "approved by",
    "refused": "refused by",
    "done": "done, as approved by",
    "not_done": "not done:",
}


def pipeline_lines(page: PipelinePage) -> Iterator[str]:
    """A pipeline in two or three lines: where it runs, and how it stands there or why that is not known."""
    if not page.pipelines:
        yield "no pipeline is known yet; send the record of one, or name it in the settings"
    for line in page.pipelines:
        record = line.record
        there = f" as {record.orchestrator_id}" if record.orchestrator_id else ""
        yield printable(f"{record.pipeline}  on {record.orchestrator}{there}")
        yield f"    {printable(_standing(line))}"
        if record.owner:
            yield f"    owner: {printable(record.owner)}"
    if page.total > len(page.pipelines):
        yield f"{page.total - len(page.pipelines)} more are not shown"


def _standing(line: PipelineLine) -> str:
    return state_words(line.state) if line.state is not None else f"cannot be read: {line.detail}"


def state_words(state: PipelineState) -> str:
    """A state in one line."""
    runs = f"in flight: {', '.join(state.active_runs)}" if state.active_runs else "no run in flight"
    due = f", next run {state.next_run_at:%Y-%m-%d %H:%M} UTC" if state.next_run_at and not state.paused else ""
    return f"{'paused' if state.paused else 'running on its schedule'}, {runs}{due}"


def audit_lines(page: AuditPage) -> Iterator[str]:
    """A decision or its outcome in two lines, the newest first."""
    if not page.entries:
        yield "no action was decided on yet"
    for entry in page.entries:
        undo = "undo: " if entry.undo else ""
        yield printable(f"{entry.at:%Y-%m-%d %H:%M:%S}  {undo}{entry.action} {entry.target}  {_what(entry)}")
        yield printable(f"    {entry.investigation}, plan {entry.plan_hash[:12]}: {entry.title}")
    if page.total > len(page.entries):
        yield f"{page.total - len(page.entries)} older ones are not shown"


def _what(entry: AuditEntry) -> str:
    word = _OUTCOMES[entry.outcome]
    if entry.outcome == "not_done":
        return f"{word} {entry.reason}"
    read_back = f"; read back: {_read_back(entry.state)}" if entry.state else ""
    return f"{word} {entry.actor}: {entry.reason}{read_back}"


def _read_back(state: Mapping[str, Any]) -> str:
    runs = ", ".join(map(str, state.get("active_runs", ()))) or "no run"
    return f"{'paused' if state.get('paused') else 'not paused'}, {runs} in flight"

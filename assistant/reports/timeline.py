"""The rollout timeline of a model as lines of text, and what became of the check of one snapshot."""

from collections.abc import Iterator

from assistant.reports.transcript import printable
from assistant.wire import CheckOutcome, CheckState, SnapshotLine, SnapshotPage

LATEST = 4
"""How many shares of an arm are shown."""
_WORDS = {
    CheckOutcome.healthy: "healthy",
    CheckOutcome.suspicious: "suspicious",
    CheckOutcome.not_checked: "not checked",
}


def lines(page: SnapshotPage) -> Iterator[str]:
    """A snapshot in a line or a few, the newest first."""
    if not page.snapshots:
        yield f"{printable(page.model)} has no snapshots yet"
    for line in page.snapshots:
        head = f"{line.published_at:%Y-%m-%d %H:%M}  {printable(line.snapshot)}  {line.standing}"
        yield "  ".join([head, *([traffic] if (traffic := served(line)) else [])])
        yield from (f"    {text}" for text in check_lines(line))
    if page.total > len(page.snapshots):
        yield f"{page.total - len(page.snapshots)} older ones are not shown"


def served(line: SnapshotLine) -> str:
    """The latest shares of each arm's traffic, in the order of time."""
    arms = dict.fromkeys(share.arm for share in line.shares)
    steps = {arm: [share.share for share in line.shares if share.arm == arm][-LATEST:] for arm in arms}
    return ", ".join(
        f"{printable(arm)} {' > '.join(f'{share:.0%}' for share in shares)}" for arm, shares in steps.items()
    )


def check_lines(line: SnapshotLine) -> Iterator[str]:
    """How far the check is, or what came of it and why."""
    if line.stopped is not None:
        yield f"check: stopped ({printable(line.stopped)}); publish it again to go on"
    elif line.check in (CheckState.queued, CheckState.running):
        now = f", {line.running} now" if line.running else ""
        yield f"check: {line.check}, {line.answered} of {line.asked} done{now}"
    elif line.outcome is not None:
        opened = f", see the investigation {line.investigation}" if line.investigation else ""
        yield f"check: {_WORDS[line.outcome]}{opened}"
        yield from (f"  {printable(reason)}" for reason in line.reasons)

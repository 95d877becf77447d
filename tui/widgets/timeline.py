"""The rollout timeline of a model: its snapshots with standing, traffic, and what became of their checks."""

from collections.abc import Iterator

from textual.content import Content

from assistant.wire import CheckOutcome, CheckState, SnapshotLine, SnapshotPage

LATEST = 3
"""How many shares of an arm are shown."""
_OUTCOMES = {
    CheckOutcome.suspicious: ("!", "$text-warning", "suspicious"),
    CheckOutcome.healthy: ("-", "$text-success", "healthy"),
    CheckOutcome.not_checked: ("?", "$quiet", "not checked"),
}


def timeline(page: SnapshotPage) -> Iterator[Content]:
    """The lines of a model, the newest snapshot first."""
    yield Content.assemble((page.model, "bold"))
    if not page.snapshots:
        yield Content.styled("no snapshots yet", "$quiet")
    for line in page.snapshots:
        yield from _lines(line)
    if page.total > len(page.snapshots):
        yield Content.styled(f"and {page.total - len(page.snapshots)} older ones", "$quiet")
    yield Content("")


def goes_on(page: SnapshotPage) -> bool:
    """Whether a check is on its way, so that another look is worth it."""
    return any(line.check in (CheckState.queued, CheckState.running) and not line.stopped for line in page.snapshots)


def _lines(line: SnapshotLine) -> Iterator[Content]:
    sign, colour, words = _check(line)
    head = f"{line.published_at:%Y-%m-%d %H:%M}  {line.snapshot}  {line.standing}"
    yield Content.assemble((sign, f"bold {colour}"), f" {head}  ", (words, colour), "  ", (_served(line), "$quiet"))
    if line.outcome is CheckOutcome.suspicious:
        yield from (Content.styled(f"  {reason}", "$quiet") for reason in line.reasons)
        if line.investigation is not None:
            yield Content.styled(f"  investigation {line.investigation}", "$quiet")


def _check(line: SnapshotLine) -> tuple[str, str, str]:
    """The mark, its colour and the words of a check. One that is not done says how far it is."""
    if line.stopped is not None:
        return "x", "$text-error", "check stopped"
    if line.outcome is None:
        return "~", "$text-accent", f"{line.check}, {line.answered} of {line.asked}"
    sign, colour, words = _OUTCOMES[line.outcome]
    if line.outcome is not CheckOutcome.not_checked:
        return sign, colour, words
    missing = "never asked for" if line.check is CheckState.never else ", ".join(r.split(":")[0] for r in line.reasons)
    return sign, colour, f"{words}: {missing}"


def _served(line: SnapshotLine) -> str:
    arms = dict.fromkeys(share.arm for share in line.shares)
    steps = {arm: [f"{s.share:.0%}" for s in line.shares if s.arm == arm][-LATEST:] for arm in arms}
    return ", ".join(f"{arm} {' > '.join(shares)}" for arm, shares in steps.items())

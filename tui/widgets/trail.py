"""The trail: every step that was walked, and what came of it."""

from collections.abc import Sequence

from textual import on
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from assistant.wire import FindingStatus, TrailStep
from tui.messages import StepSelected

_UNSURE = {
    FindingStatus.no_data: ("?", "$text-warning"),
    FindingStatus.inconclusive: ("?", "$text-warning"),
    FindingStatus.failed: ("x", "$text-error"),
}
_KINDS = {
    "tool": ("-", "$quiet"),
    "question": (">", "$text-accent"),
    "action": ("*", "$text-accent"),
    "verdict": ("=", "$text-success"),
}

LONGEST = 160
"""Letters of a text on the trail; the step itself shows all of it."""


def sign(step: TrailStep) -> tuple[str, str]:
    """The mark of a step, and its colour; the help screen says what the marks mean."""
    if step.status in _UNSURE:
        return _UNSURE[step.status]
    return ("!", "$text-warning") if step.interesting else _KINDS[step.kind]


def line(step: TrailStep) -> Content:
    """A step with its outcome below it."""
    mark, colour = sign(step)
    outcome = step.outcome or ("waiting" if step.kind in ("question", "action") else "working")
    by = f" ({step.actor})" if step.actor and step.kind != "tool" else ""
    return Content.assemble(
        (mark, f"bold {colour}"), f" {_clipped(step.title)}\n", (_clipped(f"{outcome}{by}"), "$quiet")
    )


def _clipped(text: str) -> str:
    """Cut between words, unless the last one is so long that most of the text would go with it."""
    if len(text) <= LONGEST:
        return text
    kept = text[: LONGEST - 4]
    words = kept.rpartition(" ")[0]
    return (words if len(words) > LONGEST // 2 else kept) + " ..."


class Trail(OptionList):
    """The steps in their order. It follows the newest one until the reader goes back to look at an earlier one."""

    BORDER_TITLE = "Trail"

    def __init__(self) -> None:
        super().__init__(id="trail")
        self._steps: tuple[TrailStep, ...] = ()

    def show(self, steps: Sequence[TrailStep]) -> None:
        """Take in the steps as they are now; where nothing changed, nothing moves."""
        if tuple(steps) == self._steps:
            return
        selected, followed = self.selected, self.follows
        self._steps = tuple(steps)
        self.set_options(Option(line(step), id=str(step.seq)) for step in steps)
        numbers = [step.seq for step in steps]
        keep = not followed and selected in numbers
        self.highlighted = numbers.index(selected) if keep and selected is not None else len(numbers) - 1

    @property
    def selected(self) -> int | None:
        """The number of the step that the reader looks at."""
        return None if self.highlighted is None or not self._steps else self._steps[self.highlighted].seq

    @property
    def follows(self) -> bool:
        """Whether the reader looks at the newest step."""
        return self.highlighted is None or self.highlighted == len(self._steps) - 1

    def follow(self) -> None:
        """Look at the newest step, and at those that come."""
        self.move(len(self._steps))

    def move(self, by: int) -> None:
        """Look at a step further down or up; at the ends, stay."""
        if self.highlighted is not None:
            self.highlighted = min(max(self.highlighted + by, 0), len(self._steps) - 1)

    @on(OptionList.OptionHighlighted)
    def _selected(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option.id is not None:
            self.post_message(StepSelected(int(event.option.id)))

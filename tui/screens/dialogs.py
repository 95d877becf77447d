"""Small dialogs: a decision that wants its reason, a plain yes or no, and the help."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class ReasonDialog(ModalScreen[str | None]):
    """Asks for a line of text, which may not be empty; dismissed with it, or with None when the reader leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave")]

    def __init__(self, title: str, lines: Sequence[str], asks: str) -> None:
        super().__init__()
        self._title, self._lines, self._asks = title, lines, asks

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(Content(self._title), classes="headline")
            yield from (Static(Content(line)) for line in self._lines)
            yield Static(Content(self._asks), classes="section")
            yield Input(max_length=4000)
            yield Static("enter confirms, escape leaves everything as it is", id="dialog-keys", classes="figures")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if text:
            self.dismiss(text)
        else:
            self.query_one("#dialog-keys", Static).update("please write a few words first; escape leaves")

    def action_leave(self) -> None:
        self.dismiss(None)


class ConfirmDialog(ModalScreen[bool]):
    """Asks for a yes; dismissed with whether it was given."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "answer(True)", "Yes"),
        Binding("escape,n,q", "answer(False)", "No"),
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title, self._lines = title, lines

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False):
            yield Static(Content(self._title), classes="headline")
            yield from (Static(Content(line)) for line in self._lines)
            yield Static("enter or y confirms, escape or n leaves everything as it is", classes="figures")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


HELP = """\
up, down, enter  move among the choices and take one
1 to 9           take a choice by its number
w                why this is asked, and why that is advised
b                step back: to your last answer, or, looking
                 at an earlier step, to that one

k, j             look at an earlier or later step
page up, down    scroll the evidence
tab              between the trail and the choices

s                the snapshots of the models, and their checks
l                the lineage that was walked, place by place
a, r             approve or refuse the plan, with a reason
u                undo an action that was carried out
n                write a note into the record
q                quit; the investigation stays as it is

!  found something       >  question     x  failed
-  nothing unusual       *  action       ^  incident begins
?  no data, undecided    =  verdict
A blank in a chart is a value that is not known."""


class HelpDialog(ModalScreen[None]):
    """The keys and the marks."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,question_mark", "leave", "Leave")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog help") as page:
            page.border_title = "Keys, and the marks of the trail"
            page.border_subtitle = "escape leaves"
            yield Static(Content(HELP))

    def action_leave(self) -> None:
        self.dismiss(None)

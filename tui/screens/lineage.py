"""The lineage that was walked, place by place: its state, its neighbours and its figure run by run."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from tui.widgets.places import Place, chart, depths, details, line
from tui.widgets.sparkline import Sparkline


class PlaceView(Vertical):
    """One place."""

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__()
        self._places, self._index = places, 0

    def show(self, index: int) -> None:
        """Show another one."""
        self._index = index
        self.refresh(recompose=True)

    def compose(self) -> ComposeResult:
        place = self._places[self._index]
        yield from (Static(text) for text in details(place, self._places))
        drawn = chart(place)
        if drawn is not None:
            yield Sparkline(drawn)


class LineageDialog(ModalScreen[None]):
    """Walked with up and down, and with left and right: to what a place goes into, and to what it is made from."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,l", "leave", "Leave", priority=True),
        Binding("right", "along(1)", "Upstream", priority=True),
        Binding("left", "along(-1)", "Downstream", priority=True),
    ]

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__()
        self._places = places

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide", can_focus=False) as page:
            page.border_title = "The lineage that was walked, upstream"
            page.border_subtitle = "up, down; right to its first input, left back down; escape leaves"
            shown = zip(self._places, depths(self._places), strict=True)
            yield OptionList(*(line(place, depth) for place, depth in shown), id="places")
            yield PlaceView(self._places)

    def on_mount(self) -> None:
        places = self.query_one("#places", OptionList)
        places.highlighted = 0
        places.focus()

    @on(OptionList.OptionHighlighted)
    def _look_at(self, message: OptionList.OptionHighlighted) -> None:
        self.query_one(PlaceView).show(message.option_index)

    def action_along(self, way: int) -> None:
        """To the first neighbour on that side that was walked, if there is one."""
        places = self.query_one("#places", OptionList)
        here = self._places[places.highlighted or 0]
        keys = [[place["node"], place["column"]] for place in self._places]
        if way > 0:
            found = [keys.index(list(above)) for above in here["inputs"] if list(above) in keys]
        else:
            this = [here["node"], here["column"]]
            found = [i for i, place in enumerate(self._places) if this in map(list, place["inputs"])]
        if found:
            places.highlighted = found[0]

    def action_leave(self) -> None:
        self.dismiss(None)

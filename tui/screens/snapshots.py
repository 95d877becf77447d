"""The snapshots of a product's models, with what became of their checks, over the investigation."""

import asyncio
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from assistant.wire import Alert, ModelLine, SnapshotPage
from tui.client import Client, ClientError
from tui.widgets.timeline import goes_on, timeline

SHOWN = 10
"""How many snapshots of a model."""

AGAIN_S = 1.0


class SnapshotsDialog(ModalScreen[None]):
    """The timelines, looked at again for as long as a check is on its way."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,s", "leave", "Leave")]

    def __init__(self, client: Client, alert: Alert) -> None:
        super().__init__()
        self._client, self._alert = client, alert

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide") as page:
            page.border_title = "Snapshots, the newest first"
            page.border_subtitle = "escape leaves"
            yield Static("reading", id="timelines")

    def on_mount(self) -> None:
        self._read()

    @work(exclusive=True)
    async def _read(self) -> None:
        while True:
            try:
                models = [line for line in await self._client.models() if self._belongs(line)]
                pages = [await self._client.snapshots(line.model, SHOWN) for line in models]
            except ClientError as error:
                self.query_one("#timelines", Static).update(Content(f"{error}"))
                return
            self._show(pages)
            if not any(map(goes_on, pages)):
                return
            await asyncio.sleep(AGAIN_S)

    def _belongs(self, line: ModelLine) -> bool:
        """A model of the product; one of no known product stands for itself."""
        return (line.product or line.model) == self._alert.product

    def _show(self, pages: list[SnapshotPage]) -> None:
        lines = [content for page in pages for content in timeline(page)]
        none = Content(f"no model of {self._alert.product} is known")
        self.query_one("#timelines", Static).update(Content("\n").join(lines) if lines else none)

    def action_leave(self) -> None:
        self.dismiss(None)

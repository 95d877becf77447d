"""The terminal application: one investigation, walked with the keyboard."""

import getpass

from textual.app import App
from textual.theme import Theme

from tui.client import Client
from tui.screens.investigation import InvestigationScreen

CALM = Theme(
    name="calm",
    primary="#7aa2c8",
    secondary="#8f9bb3",
    accent="#8fb8de",
    warning="#d9a860",
    error="#d67b7b",
    success="#8fbf8f",
    foreground="#d5d9e0",
    background="#15181d",
    surface="#1b1f26",
    panel="#232831",
)


class HawkEyeApp(App[None]):
    """Shows the investigation `investigation_id` of the server behind `client`; `actor` signs what is decided."""

    CSS_PATH = "theme.tcss"
    TITLE = "HawkEye"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, client: Client, investigation_id: str, actor: str | None = None) -> None:
        super().__init__()
        self._client, self._investigation = client, investigation_id
        self._actor = actor or whoami()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own colour for what stands back; Textual's muted text is relative, and unknown inside a line of text."""
        return {"quiet": "#8b93a1"}

    def on_mount(self) -> None:
        self.register_theme(CALM)
        self.theme = CALM.name
        self.push_screen(InvestigationScreen(self._client, self._investigation, self._actor))


def whoami() -> str:
    """The name of the user of this terminal; a container may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "on-call"

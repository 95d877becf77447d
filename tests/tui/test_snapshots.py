"""The timelines of a product's models, over the real service and its real checks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from textual.pilot import Pilot

from assistant.app import create_app
from assistant.wire import (
    PREFIX,
    CheckOutcome,
    CheckState,
    OpenedPage,
    Share,
    SnapshotLine,
    SnapshotPage,
    Standing,
)
from knowledge.workspace import Workspace
from tests.assistant import small
from tests.tui.test_screen import flat, text, until
from tui.app import HawkEyeApp
from tui.client import Client
from tui.screens.snapshots import SnapshotsDialog
from tui.widgets.timeline import goes_on, timeline

AT = datetime(2013, 5, 4, 9, tzinfo=UTC)


@asynccontextmanager
async def opened(folder: Path, models: tuple[str, ...]) -> AsyncIterator[tuple[Pilot[None], httpx.AsyncClient]]:
    """The interface on an investigation of the product that these models serve."""
    settings = small.settings(folder)
    workspace = Workspace.open(settings.data_dir)
    for model in models:
        workspace.receiver.receive_model({"model": model, "product": "badge", "title": model})
    workspace.close()
    service = create_app(settings)
    transport = httpx.ASGITransport(app=service)  # type: ignore[arg-type]
    async with (
        service.lifespan(),
        httpx.AsyncClient(transport=transport, base_url=f"http://test{PREFIX}") as http,
        Client.in_process(service) as client,
    ):
        response = await http.post("/alerts/alertmanager", json=small.webhook())
        investigation = OpenedPage.model_validate_json(response.content).investigations[0]
        app = HawkEyeApp(client, investigation, actor="ana")
        async with app.run_test(size=(130, 40)) as pilot:
            await until(pilot, lambda: "Was anything launched?" in text(pilot))
            yield pilot, http


async def test_a_snapshot_is_followed_until_it_is_checked(tmp_path: Path) -> None:
    async with opened(tmp_path, ("ranking/ctr", "mlp")) as (pilot, http):
        record = {"snapshot": "ctr/7", "model": "ranking/ctr", "published_at": AT.isoformat()}
        assert (await http.post("/snapshots", json=record)).status_code == 201
        await pilot.press("s")
        await until(pilot, lambda: "2013-05-04 09:00  ctr/7  candidate" in text(pilot))
        await until(pilot, lambda: "not checked: snapshot_diff, graph_walk, training_data" in flat(pilot))
        assert "no snapshots yet" in text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, SnapshotsDialog))


async def test_a_product_without_models_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, ()) as (pilot, _):
        await pilot.press("s")
        await until(pilot, lambda: "no model of badge is known" in text(pilot))


def line(**changes: object) -> SnapshotLine:
    told = {"snapshot": "dcn/7", "published_at": AT, "standing": Standing.candidate, "shares": (), "asked": 3}
    return SnapshotLine.model_validate({**told, "check": CheckState.done, **changes})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (line(outcome=CheckOutcome.healthy), "- 2013-05-04 09:00  dcn/7  candidate  healthy"),
        (line(check=CheckState.running, answered=1), "~ 2013-05-04 09:00  dcn/7  candidate  running, 1 of 3"),
        (line(check=CheckState.running, stopped="no space"), "x 2013-05-04 09:00  dcn/7  candidate  check stopped"),
        (line(check=CheckState.never, outcome=CheckOutcome.not_checked), "not checked: never asked for"),
        (
            line(outcome=CheckOutcome.suspicious, reasons=("snapshot_diff: it [b]diverged",), investigation="inv-1"),
            "suspicious\nsnapshot_diff: it [b]diverged\ninvestigation inv-1",
        ),
        (
            line(
                outcome=CheckOutcome.healthy,
                shares=tuple(Share(arm="early", ts=AT, share=share) for share in (0.01, 0.05, 0.25, 1.0)),
            ),
            "early 5% > 25% > 100%",
        ),
    ],
)
def test_the_state_of_a_check_in_words(found: SnapshotLine, words: str) -> None:
    page = SnapshotPage(model="dcn", snapshots=(found,), total=4, offset=0, limit=1)
    shown = "\n".join(content.plain.strip() for content in timeline(page))
    assert words in shown
    assert "and 3 older ones" in shown
    assert goes_on(page) == (found.check is CheckState.running and found.stopped is None)

"""The interface on the real service: in this process, and over a port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from textual.pilot import Pilot

from assistant.app import create_app
from assistant.wire import PREFIX, OpenedPage
from tests.assistant import small
from tests.tui.test_screen import flat, text, type_in, until
from tui.app import HawkEyeApp
from tui.client import Client
from tui.screens.dialogs import ReasonDialog


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Pilot[None]]:
    """The interface on an investigation of a small platform, walked by the real driver."""
    service = create_app(small.settings(folder))
    transport = httpx.ASGITransport(app=service)  # type: ignore[arg-type]
    async with (
        service.lifespan(),
        httpx.AsyncClient(transport=transport, base_url=f"http://test{PREFIX}") as http,
        Client.in_process(service) as client,
    ):
        response = await http.post("/alerts/alertmanager", json=small.webhook())
        investigation = OpenedPage.model_validate_json(response.content).investigations[0]
        app = HawkEyeApp(client, investigation, actor="ana")
        async with app.run_test(size=(100, 40)) as pilot:
            await until(pilot, lambda: "Was anything launched?" in text(pilot))
            yield pilot


async def test_an_incident_is_walked_to_its_verdict_and_its_action_undone(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await pilot.press("w", "enter")
        await until(pilot, lambda: "Shall this be done" in text(pilot))
        assert "pause train_dcn" in text(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReasonDialog))
        await type_in(pilot, "it learns from broken data")
        await until(pilot, lambda: "Verdict: training.learning_rate dcn/2013-05-04" in flat(pilot))
        await pilot.press("k")
        await until(pilot, lambda: "State after, as read back" in text(pilot))
        await pilot.press("j", "u")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReasonDialog))
        await type_in(pilot, "repaired")
        await until(pilot, lambda: "undone" in text(pilot))


async def test_another_answer_after_a_step_back_leads_elsewhere(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await pilot.press("1")
        await until(pilot, lambda: "Verdict: traffic.mix_shift" in flat(pilot))
        await pilot.press("b")
        await until(pilot, lambda: "Step back to this step?" in text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "waits for your answer" in text(pilot))
        await pilot.press("2")
        await until(pilot, lambda: "Shall this be done" in text(pilot))

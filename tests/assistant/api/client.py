"""A few calls of the API in the words of the tests."""

from typing import Any

import httpx

from assistant.wire import EventPage, InvestigationView, Problem, Status
from tests.assistant import small


class Api:
    """Calls below /api/v1."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def open(self, **changes: Any) -> str:
        """Deliver the webhook, and answer with the investigation."""
        response = await self.http.post("/alerts/alertmanager", json=small.webhook(**changes))
        assert response.status_code == 202, response.text
        opened: list[str] = response.json()["investigations"]
        assert len(opened) == 1
        return opened[0]

    async def view(self, investigation: str) -> InvestigationView:
        return InvestigationView.model_validate_json((await self.http.get(f"/investigations/{investigation}")).content)

    async def until(self, investigation: str, status: Status) -> InvestigationView:
        """Follow the events until the investigation is at `status`."""
        after = -1
        for _ in range(50):
            query: dict[str, float] = {"after": after, "wait_s": 5}
            response = await self.http.get(f"/investigations/{investigation}/events", params=query)
            page = EventPage.model_validate_json(response.content)
            after = page.last_seq
            if page.status is status:
                return await self.view(investigation)
        raise AssertionError(f"never came to {status}")

    async def say(self, investigation: str, kind: str, **body: Any) -> httpx.Response:
        return await self.http.post(f"/investigations/{investigation}/{kind}", json=body)


def problem(response: httpx.Response, status: int) -> Problem:
    """The problem details of a refusal, checked for their form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    found = Problem.model_validate_json(response.content)
    assert found.status == status
    assert "Traceback" not in response.text
    return found

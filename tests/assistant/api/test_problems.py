import httpx
import pytest
from litestar import Litestar, get

from assistant.api.problems import as_problem
from tests.assistant import small
from tests.assistant.api.client import Api, problem


@pytest.mark.parametrize(
    "path",
    ["/investigations/inv-none", "/investigations/inv-none/events", "/nothing", "/investigations/%00"],
)
async def test_what_is_not_there_is_404(api: Api, path: str) -> None:
    found = problem(await api.http.get(path), 404)
    assert found.instance is not None


async def test_saying_something_to_an_unknown_investigation_is_404(api: Api) -> None:
    for kind, body in (
        ("answers", {"step": "s", "choice": "c", "actor": "kim"}),
        ("notes", {"text": "t", "actor": "kim"}),
        ("step-backs", {"to_seq": 0, "actor": "kim"}),
        ("approvals", {"plan_hash": "h", "actor": "kim", "reason": "r"}),
        ("refusals", {"plan_hash": "h", "actor": "kim", "reason": "r"}),
        ("undo", {"plan_hash": "h", "actor": "kim", "reason": "r"}),
    ):
        assert "inv-none" in problem(await api.say("inv-none", kind, **body), 404).detail


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({}, "not an Alertmanager webhook payload: alerts"),
        ({"version": "3", **{"alerts": small.webhook()["alerts"]}}, "version '3' is not known"),
        (small.webhook(labels={"alertname": "X"}), "has no label product and no label metric"),
        (small.webhook(labels={"product": "x", "metric": "share"}), "'x' is not known; known: badge"),
        (small.webhook(labels={"product": "badge", "metric": "x"}), "no metric 'x'; it has share"),
        (small.webhook(startsAt="2013-05-04T01:00:00"), "a time needs its zone"),
        (small.webhook(annotations={"rule_window": "soon"}), "not a duration"),
    ],
)
async def test_a_malformed_alert_is_refused_with_its_reason(api: Api, payload: dict[str, object], says: str) -> None:
    assert says in problem(await api.http.post("/alerts/alertmanager", json=payload), 422).detail


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"x": NaN}', b"\xff\xfe", b"", b"[" * 100_000])
async def test_what_is_not_a_json_object_is_400(api: Api, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    problem(await api.http.post("/alerts/alertmanager", content=body, headers=headers), 400)


async def test_a_body_with_a_misspelt_field_lists_each_fault(api: Api) -> None:
    body = {"step": 1, "choise": "no", "actor": "kim"}
    found = problem(await api.http.post("/investigations/inv-1/answers", json=body), 400)
    assert {error.split(":")[0] for error in found.errors} == {"step", "choice", "choise"}


async def test_the_wrong_method_is_405_and_too_large_a_body_413(api: Api) -> None:
    refused = await api.http.delete("/investigations")
    assert "GET" in refused.headers["allow"]
    problem(refused, 405)
    problem(await api.http.post("/alerts/alertmanager", json={"x": "y" * 11_000_000}), 413)


async def test_an_unforeseen_error_is_a_500_that_names_nothing(caplog: pytest.LogCaptureFixture) -> None:
    @get("/broken", sync_to_thread=False)
    def broken() -> str:
        raise KeyError("/a/private/path")

    app = Litestar([broken], exception_handlers={Exception: as_problem}, logging_config=None)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        response = await http.get("/broken")
    problem(response, 500)
    assert "private" not in response.text
    assert "private" in caplog.text

"""The keys of the routes that other systems send telemetry to."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from assistant.app import create_app
from knowledge.ingest.samples import PARQUET
from tests.assistant import small
from tests.assistant.api.client import problem

KEY = "one-key-of-ours-0"
EVENT = {
    "eventTime": "2013-05-04T00:00:00Z",
    "producer": "https://example.com/p",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent",
    "job": {"namespace": "f", "name": "j"},
}
GUARDED = ("/lineage", "/lineage/batch", "/samples", "/labels")


@contextlib.asynccontextmanager
async def served(folder: Path, keys: tuple[str, ...], client: tuple[str, int]) -> AsyncIterator[httpx.AsyncClient]:
    """The application with these keys, spoken to from this address."""
    settings = small.settings(folder).model_copy(update={"api_keys": tuple(map(SecretStr, keys))})
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app, client=client)  # type: ignore[arg-type]
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as http:
        yield http


async def test_with_keys_one_of_them_is_needed(tmp_path: Path) -> None:
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": "Bearer"},
    )
    async with served(tmp_path, ("another-key-of-ours", KEY), ("10.0.0.7", 5)) as http:
        for path in GUARDED:
            for header in wrong:
                answer = await http.post(path, json=EVENT, headers=header)
                problem(answer, 401)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert KEY not in answer.text
        right = {"authorization": f"Bearer {KEY}"}
        assert (await http.post("/lineage", json=EVENT, headers=right)).status_code == 200
        assert (await http.post("/lineage/batch", json=[EVENT], headers=right)).status_code == 200
        for path in ("/samples", "/labels"):
            answer = await http.post(path, content=b"torn", headers=right | {"content-type": PARQUET})
            assert "no whole" in problem(answer, 422).detail, "let in, and read"
        assert (await http.get("/lineage/nodes")).json()["total"] == 1, "reading stays open"


@pytest.mark.parametrize(
    ("host", "let_in"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.9", True), ("10.0.0.7", False), ("?", False)],
)
async def test_without_keys_only_this_machine_may_send(tmp_path: Path, host: str, let_in: bool) -> None:
    async with served(tmp_path, (), (host, 5)) as http:
        for path in GUARDED:
            assert ((await http.post(path, json=EVENT)).status_code != 401) is let_in, path

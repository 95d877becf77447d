import json
import math
from dataclasses import replace

import httpx
import pytest
from litestar import Litestar

from assistant.api.problems import as_problem
from assistant.api.tools import tool_routes
from assistant.wire import Finding, Health, ToolInfo
from tests.assistant.api.client import Api, problem
from tests.tools.ports import InMemoryPorts
from tools.contract import Facts, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import PortError, Ports
from tools.registry import all_tools

WINDOWS = {
    "window": {"start": "2013-05-04T00:00:00Z", "end": "2013-05-05T00:00:00Z"},
    "baseline": {"start": "2013-04-20T00:00:00Z", "end": "2013-05-04T00:00:00Z"},
}


class OddParams(Params):
    """Named as no convention wants it."""

    x: Num


class OddFacts(Facts):
    x: Num | None = None


class OddResult(Result):
    x: Num


def _echo(params: OddParams, ports: Ports) -> Finding:
    if params.x < 0:
        raise PortError("the orchestrator does not answer")
    return ECHO.finding(Status.answered, "as asked", facts=OddFacts(x=params.x), result=OddResult(x=params.x))


ECHO = Tool("echo_back", "What did I say?", OddParams, OddFacts, OddResult, _echo)


async def test_health_and_the_list_of_tools(api: Api) -> None:
    health = Health.model_validate_json((await api.http.get("/health")).content)
    assert health.tools == len(all_tools())
    listed = [ToolInfo.model_validate(entry) for entry in (await api.http.get("/tools")).json()]
    assert [info.name for info in listed] == list(all_tools())
    assert all("properties" in info.facts for info in listed)


async def test_every_tool_has_its_own_schema(api: Api) -> None:
    schema = (await api.http.get("http://test/schema/openapi.json")).json()
    for name in all_tools():
        operation = schema["paths"][f"/api/v1/tools/{name}"]["post"]
        camel = "".join(part.capitalize() for part in name.split("_"))
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert reference == f"#/components/schemas/{camel}Params"
        assert set(operation["responses"]) >= {"200", "400"}
    assert "title" in schema["components"]["schemas"]["Problem"]["properties"]


async def test_a_tool_without_data_answers_so(api: Api) -> None:
    response = await api.http.post("/tools/model_isolation", json={"product": "none", "metric": "x", **WINDOWS})
    assert response.status_code == 200
    assert Finding.model_validate_json(response.content).status is Status.no_data


async def test_a_misspelt_parameter_is_400(api: Api) -> None:
    wrong = await api.http.post("/tools/model_isolation", json={"product": "badge", "metrik": "x", **WINDOWS})
    assert any(error.startswith("metrik") for error in problem(wrong, 400).errors)


async def test_an_unavailable_tool_is_501() -> None:
    later = replace(ECHO, unavailable="not available in this version")
    assert "not available" in problem(await _ask({"x": 1}, later), 501).detail


@pytest.mark.parametrize(("sent", "x"), [("NaN", math.nan), ("Infinity", math.inf), (-0.0, 0.0), (0.1, 0.1)])
async def test_floats_survive_the_trip_there_and_back(sent: object, x: float) -> None:
    response = await _ask({"x": sent})
    answered = json.loads(response.content)
    assert answered["result"]["x"] == answered["facts"]["x"]
    got = float(answered["facts"]["x"])
    assert got == x or (math.isnan(got) and math.isnan(x))


async def test_a_port_that_does_not_answer_is_502() -> None:
    assert "orchestrator" in problem(await _ask({"x": -1}), 502).detail


async def test_a_foreign_tool_is_named_by_its_own_name() -> None:
    app = Litestar(tool_routes([ECHO], InMemoryPorts()))
    schemas = app.openapi_schema.to_schema()["components"]["schemas"]
    assert "EchoBackParams" in schemas


async def _ask(body: dict[str, object], tool: Tool[OddParams, OddFacts, OddResult] = ECHO) -> httpx.Response:
    app = Litestar(tool_routes([tool], InMemoryPorts()), exception_handlers={Exception: as_problem})
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return await http.post("/tools/echo_back", json=body)

"""One POST route per registered tool, with that tool's own parameters as its schema."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from assistant.api.problems import REFUSALS, ApiError
from assistant.wire import Finding, ToolInfo
from tools.contract import Params, Tool
from tools.ports import PortError, Ports

AnyTool = Tool[Any, Any, Any]


def tool_routes(tools: Iterable[AnyTool], ports: Ports) -> list[HTTPRouteHandler]:
    """GET /tools, and POST /tools/<name> for each tool."""
    known = tuple(tools)
    infos = [_info(tool) for tool in known]

    @get("/tools", sync_to_thread=False, summary="The tools, with the schemas of their parameters and facts")
    def list_tools() -> list[ToolInfo]:
        return infos

    return [list_tools, *(_route(tool, ports) for tool in known)]


def _info(tool: AnyTool) -> ToolInfo:
    return ToolInfo(
        name=tool.name,
        question=tool.question,
        acts=tool.acts,
        unavailable=tool.unavailable,
        params=tool.params.model_json_schema(),
        facts=tool.facts.model_json_schema(),
    )


def _route(tool: AnyTool, ports: Ports) -> HTTPRouteHandler:
    """The handler's annotations, which are made here, are what Litestar validates a body with and writes as schema."""

    def handler(data: JSONBody[Params]) -> Finding:
        if tool.unavailable is not None:
            raise ApiError(HTTPStatus.NOT_IMPLEMENTED, f"{tool.name} cannot be run: {tool.unavailable}")
        try:
            return tool.run(data, ports)
        except PortError as error:
            raise ApiError(HTTPStatus.BAD_GATEWAY, str(error)) from error

    handler.__annotations__["data"] = JSONBody[_named_params(tool)]  # type: ignore[misc]
    handler.__name__ = tool.name
    return post(
        f"/tools/{tool.name}",
        status_code=HTTPStatus.OK,
        sync_to_thread=True,
        name=f"tool.{tool.name}",
        operation_id=tool.name,
        summary=tool.question,
        tags=["tools"],
        responses=REFUSALS,
    )(handler)


def _named_params(tool: AnyTool) -> type[Params]:
    """`SnapshotDiffParams` for snapshot_diff: two models of one class name would get names with modules in them."""
    name = "".join(part.capitalize() for part in tool.name.split("_")) + "Params"
    params: type[Params] = tool.params
    if params.__name__ == name:
        return params
    return type(name, (params,), {"__module__": params.__module__, "__doc__": params.__doc__})

"""Runs one tool so that whatever happens there is a finding: an outage of one tool must not end the investigation."""

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tools.contract import Finding, Status, Tool
from tools.ports import Ports

logger = logging.getLogger(__name__)
AnyTool = Tool[Any, Any, Any]


def call(tool: AnyTool, params: Mapping[str, Any], ports: Ports) -> Finding:
    """The tool's finding; `no_data` where it is not available or a parameter is not known, `failed` where it broke."""
    if tool.unavailable is not None:
        return tool.finding(
            Status.no_data, f"not run: {tool.unavailable}", not_checked=(f"{tool.name}: {tool.unavailable}",)
        )
    try:
        asked = tool.params.model_validate(params)
    except ValidationError as error:
        return _not_asked(tool, params, error)
    try:
        finding = tool.run(asked, ports)
        tool.facts.model_validate(finding.facts)
    except Exception as error:  # tools are plug-ins: whatever one raises is its finding
        logger.exception("the tool %s failed", tool.name)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return tool.finding(Status.failed, f"failed: {reason}", not_checked=(f"{tool.name} failed: {reason}",))
    return finding


def _not_asked(tool: AnyTool, params: Mapping[str, Any], error: ValidationError) -> Finding:
    unknown = sorted({str(found["loc"][0]) for found in error.errors() if found["loc"]})
    missing = [name for name in unknown if params.get(name) is None]
    if missing:
        why = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not known from the steps before"
    else:
        why = "; ".join(f"{found['loc'][0] if found['loc'] else 'it'}: {found['msg']}" for found in error.errors())
    return tool.finding(Status.no_data, f"could not be asked: {why}", not_checked=(f"{tool.name}: {why}",))

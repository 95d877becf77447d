"""Walk a snapshot's compute graph on suspect requests to the first node whose output goes wrong. Not built yet."""

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Id

REASON = "not available in this version: running a snapshot's graph needs its interpreter, which comes later"


class GraphWalkParams(Params):
    """The snapshot whose graph is walked."""

    snapshot: Id


class GraphWalkFacts(Facts):
    """`first_bad_node` is the first node, in the order of computation, whose outputs leave their usual range."""

    first_bad_node: str | None = None
    confidence: Num | None = None


class GraphWalkResult(Result):
    """The first bad node with the module and source line that it came from."""

    node: str | None = None
    module: str | None = None
    source: str | None = None


def run(params: GraphWalkParams, ports: Ports) -> Finding:  # noqa: ARG001 - every tool is called alike
    """Answers `no_data` with the reason, so that a playbook that asks anyway takes its route for that."""
    return TOOL.finding(
        Status.no_data,
        f"the compute graph of {params.snapshot} was not walked: {REASON}",
        not_checked=(f"the compute graph of {params.snapshot}, node by node",),
    )


TOOL = Tool(
    name="graph_walk",
    question="At which node of the model's graph do the numbers first go wrong?",
    params=GraphWalkParams,
    facts=GraphWalkFacts,
    result=GraphWalkResult,
    run=run,
    unavailable=REASON,
)

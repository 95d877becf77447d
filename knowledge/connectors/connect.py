"""From the settings of an orchestrator to its connector. A connector says nothing to the server until it is asked."""

from collections.abc import Callable

from knowledge.connectors.airflow import Airflow
from knowledge.connectors.connection import Connection, Kind
from knowledge.connectors.dagster import Dagster
from knowledge.connectors.prefect import Prefect

Connector = Airflow | Prefect | Dagster
_KINDS: dict[Kind, Callable[[str, Connection], Connector]] = {
    "airflow": Airflow,
    "prefect": Prefect,
    "dagster": Dagster,
}


def connect(name: str, connection: Connection) -> Connector:
    """The connector to the orchestrator that the settings call `name`."""
    return _KINDS[connection.kind](name, connection)

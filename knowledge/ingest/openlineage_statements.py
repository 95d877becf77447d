"""What an OpenLineage event says of versions, queries, settings and schemas. Two runs that differ are a change."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from knowledge.ingest import openlineage_event as wire
from tools.records import ChangeKind

TEXT_LIMIT = 50_000  # a longer query is cut and keeps its hash, so that a change behind the cut is still seen
_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)


class Statement(NamedTuple):
    """What a run said about the state of `node` (its job, or a dataset): the version of its code, its SQL and so on.

    `name` tells apart what there are many of: parameters and parts of the environment.
    """

    node: str
    kind: ChangeKind
    value: str
    name: str = ""
    url: str | None = None
    repository: str | None = None
    pull_request: str | None = None


def made(
    job: str | None,
    of_job: wire.JobFacets | None,
    of_run: wire.RunFacets | None,
    written: Sequence[tuple[str, wire.Facets]],
) -> Iterator[Statement]:
    """All statements of an event. `written` are the datasets that it writes: a reader may see only some columns."""
    if job and of_job:
        yield from _of_the_job(job, of_job)
    if job and of_run:
        yield from _parameters(job, of_run.execution_parameters)
        yield from _environment(job, of_run)
    for node, facets in written:
        schema = facets.data_schema
        if schema and schema.fields:
            fields = sorted(f"{f.name}:{f.type or '?'}" for f in schema.fields)
            yield Statement(node, ChangeKind.schema_, _short(", ".join(fields)))


def _of_the_job(job: str, facets: wire.JobFacets) -> Iterator[Statement]:
    """The version of the code as precisely as it is told: a commit or tag, else the code itself, else where it lies."""
    location = facets.source_code_location
    version = (location.version or location.tag) if location else None
    if facets.source_code and not version:
        yield Statement(job, ChangeKind.code, f"sha256:{_digest(facets.source_code.source_code)}")
    elif location and (version or location.url):
        pull = location.pull_request_number
        yield Statement(job, ChangeKind.code, version or location.url or "", "", location.url, location.repo_url, pull)
    if facets.sql:
        yield Statement(job, ChangeKind.sql, _short(_lines(facets.sql.query)))


def _parameters(job: str, parameters: wire.Parameters | None) -> Iterator[Statement]:
    if parameters is None:
        return
    said = {p.key: _shown(p) for p in parameters.parameters}
    yield Statement(job, ChangeKind.parameters, _short(f"set: {', '.join(sorted(said)) or 'none'}"))
    for key, value in said.items():
        yield Statement(job, ChangeKind.parameters, _short(f"{key}={value}"), key)


def _shown(parameter: wire.Parameter) -> str:
    """The value, or only a hash of it where the name says that it is a secret."""
    value = parameter.value if isinstance(parameter.value, str) else json.dumps(parameter.value)
    return f"sha256:{_digest(f'{parameter.key}={value}')}" if _SECRET.search(parameter.key) else value


def _environment(job: str, facets: wire.RunFacets) -> Iterator[Statement]:
    """Of a variable's value only a hash, together with its name: it may be a password."""
    engine = facets.processing_engine
    if engine:
        yield Statement(job, ChangeKind.environment, f"{engine.name or 'engine'} {engine.version}", "engine")
    if facets.dbt_version:
        yield Statement(job, ChangeKind.environment, f"dbt {facets.dbt_version.version}", "dbt")
    if facets.environment_variables is None:
        return
    said = {v.name: _digest(f"{v.name}={v.value}") for v in facets.environment_variables.environment_variables}
    yield Statement(job, ChangeKind.environment, _short(f"variables: {', '.join(sorted(said)) or 'none'}"), "variables")
    for name, digest in said.items():
        yield Statement(job, ChangeKind.environment, f"{name}=sha256:{digest}", f"${name}")


def _lines(query: str) -> str:
    """The query line by line, so that it can be compared so, without the blanks that say nothing."""
    return "\n".join(line for told in query.splitlines() if (line := " ".join(told.split())))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _short(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}… (sha256 {_digest(text)})"

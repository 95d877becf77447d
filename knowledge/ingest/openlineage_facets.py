"""Facets one by one: those that we read, those that we cannot read and why, and those that are only kept."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from knowledge.ingest import openlineage_event as wire

F = TypeVar("F", wire.Facets, wire.JobFacets, wire.RunFacets)
Place = Literal["run", "job", "dataset", "input", "output"]
KEPT_LIMIT = 256 * 1024  # characters of one facet that is kept as it came
HIDDEN = "environmentVariables"  # its values may be passwords: of them nothing but hashes is kept
BY_COLUMN = {"dataQualityMetrics": "columnMetrics", "hawkeye_columnStatistics": "columns", "columnLineage": "fields"}
"""Facets of which one column that is wrong does not take the others with it, and where in them the columns stand."""


@dataclass(frozen=True)
class Kept:
    """A facet that we do not read, as JSON text, and what it was said of."""

    node: str
    place: Place
    name: str
    body: str


@dataclass(frozen=True)
class LeftOut:
    """A part of an event that is not taken, while the rest of it is: the reason by which it is counted, and in full."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Read(Generic[F]):
    """The facets that are read, and the names of the others."""

    facets: F
    others: tuple[str, ...]
    faults: tuple[LeftOut, ...] = ()


def read(kind: type[F], raw: Mapping[str, Any], node: str) -> Read[F]:
    """The facets of `raw` that `kind` names. One that is wrong counts as not read, or one column of it as not there."""
    known = {name: facet for name, facet in raw.items() if name in _names(kind) and not _is_deleted(facet)}
    others = [name for name in raw if name not in known]
    told: list[LeftOut] = []
    lightened: set[str] = set()
    while known:
        try:
            return Read(kind.model_validate(known), tuple(others), tuple(told))
        except ValidationError as error:
            wrong = _wrong(error)
        for name, columns in wrong.items():
            told.append(_left_out(node, name, columns))
            if "" in columns or name in lightened:  # once only: what is wrong in it cannot be taken out by column
                del known[name]
                others.append(name)
            else:
                known[name] = _without(known[name], BY_COLUMN[name], columns)
                lightened.add(name)
    return Read(kind(), tuple(others), tuple(told))


def faults_of(error: ValidationError) -> str:
    """The first few faults in words."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)[:5]
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the event'}: {e['msg']}" for e in errors)


def kept(node: str, place: Place, raw: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Kept | LeftOut]:
    """Of the facets with these names what is kept: their text, or the reason why not."""
    for name in names:
        if name == HIDDEN:
            continue
        body = json.dumps(raw[name], separators=(",", ":"), sort_keys=True)
        if len(body) > KEPT_LIMIT or len(name) > KEPT_LIMIT:
            size = f"the facet {name[:60]} of {node} has {len(body)} characters; {KEPT_LIMIT} are kept"
            yield LeftOut("a facet is too large to be kept", size)
        else:
            yield Kept(node, place, name, body)


def _wrong(error: ValidationError) -> dict[str, dict[str, str]]:
    """Facet → column, or "" for all of it → what is wrong with it."""
    found: dict[str, dict[str, str]] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        name, *rest = map(str, fault["loc"])
        column = rest[1] if len(rest) > 1 and rest[0] == BY_COLUMN.get(name) else ""
        found.setdefault(name, {}).setdefault(column, f"{'.'.join([name, *rest])}: {fault['msg']}")
    return found


def _left_out(node: str, name: str, columns: Mapping[str, str]) -> LeftOut:
    part = "the facet" if "" in columns else "a column of the facet"
    return LeftOut(f"{part} {name} cannot be read", f"{node}: {'; '.join([*columns.values()][:5])}")


def _without(facet: Mapping[str, Any], where: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {**facet, where: {name: said for name, said in facet[where].items() if name not in columns}}


def _is_deleted(facet: object) -> bool:
    """A producer takes a facet back with `_deleted`; there is nothing to read in it then."""
    return isinstance(facet, dict) and facet.get("_deleted") is True


@cache
def _names(kind: type[wire.Part]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in kind.model_fields.items())

"""What an OpenLineage event says of how its datasets look, and what of it its own schema and counts contradict."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knowledge.ingest import openlineage_event as wire
from knowledge.ingest.openlineage_facets import LeftOut
from tools.records import DatasetStatistics

PARTS = ("quality", "moments", "volume", "assertions", "left_out")
"""What is said together and replaced together, when a later event of the run says it anew."""
_OF_TEXT = ("string", "varchar", "text", "char")
_NUMERIC = ("mean", "min", "max", "variance", "quantiles", "histogram")
_ROUNDING = 1e-6  # of the greatest value: so much may a mean lie outside of what it is the mean of


@dataclass(frozen=True)
class Told:
    """Statistics of one dataset by one event: for each of `PARTS` that it speaks of, the fields of it as JSON.

    `written` is whether they come with a run that writes the dataset, rather than with one that reads it: a reader
    may see only a part of it.
    """

    node: str
    written: bool
    parts: dict[str, Any]


def told(node: str, written: bool, facets: wire.Facets) -> Iterator[Told | LeftOut]:
    """The statistics of one dataset, if it has any, and what contradicts the schema or the counts and is left out."""
    quality, moments, checks = (
        facets.data_quality_metrics,
        facets.hawkeye_column_statistics,
        facets.data_quality_assertions,
    )
    volume = facets.output_statistics or facets.input_statistics
    if not (quality or moments or checks or volume):
        return
    judged = _Judged(node, facets, quality.row_count if quality else None)
    parts = {
        "quality": quality and _quality(quality, judged),
        "moments": moments and judged.columns({name: _said(c) for name, c in moments.columns.items()}),
        "volume": volume
        and {"row_count": volume.row_count, "size_bytes": volume.size, "file_count": volume.file_count},
        "assertions": checks and [check.model_dump() for check in checks.assertions],
    }
    parts["left_out"] = judged.reasons or None
    yield Told(node, written, {name: part for name, part in parts.items() if part is not None})
    yield from judged.left_out()


def composed(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `tools.records.DatasetStatistics` that all that was told comes to.

    The profile of the data goes before the counts of the engine that read or wrote it.
    """
    quality, volume = parts.get("quality", {}), parts.get("volume", {})
    metrics, moments = quality.get("columns", {}), parts.get("moments", {})
    fields = {
        name: volume.get(name) if quality.get(name) is None else quality[name]
        for name in ("row_count", "size_bytes", "file_count", "last_updated")
    }
    columns = {name: {**metrics.get(name, {}), **moments.get(name, {})} for name in sorted({*metrics, *moments})}
    said = {"assertions": parts.get("assertions", ()), "left_out": parts.get("left_out", {})}
    return {**fields, "columns": columns, **said}


def without_figures(statistics: DatasetStatistics) -> DatasetStatistics:
    """Only what was checked, without counts and columns."""
    kept = {name: getattr(statistics, name) for name in ("node", "ts", "job", "run", "assertions")}
    return DatasetStatistics(**kept)


def _quality(quality: wire.DataQuality, judged: "_Judged") -> dict[str, Any]:
    return {
        "row_count": quality.row_count,
        "size_bytes": quality.bytes,
        "file_count": quality.file_count,
        "last_updated": quality.last_updated and quality.last_updated.isoformat(),
        "columns": judged.columns({name: _said(column) for name, column in quality.column_metrics.items()}),
    }


def _said(column: wire.ColumnMetrics | wire.Moments) -> dict[str, Any]:
    said = column.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude={"sum", "count"})
    if isinstance(column, wire.ColumnMetrics) and column.sum is not None and column.count:
        said["mean"] = column.sum / column.count
    return said


class _Judged:
    """Holds the columns of one dataset against its schema and its rows, and remembers what does not agree: `reasons` by
    column."""

    def __init__(self, node: str, facets: wire.Facets, rows: int | None) -> None:
        schema = facets.data_schema
        self._node, self._rows = node, rows
        self._types = {f.name.casefold(): (f.type or "").casefold() for f in schema.fields} if schema else {}
        self._faults: dict[str, list[str]] = {}
        self.reasons: dict[str, str] = {}

    def columns(self, columns: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Those that can be, each without the figures that cannot be."""
        found = {name: self._column(name, said) for name, said in columns.items()}
        return {name: said for name, said in sorted(found.items()) if said is not None}

    def left_out(self) -> Iterator[LeftOut]:
        for reason, details in self._faults.items():
            yield LeftOut(reason, f"{self._node}: {', '.join(details[:5])}")

    def _column(self, name: str, said: dict[str, Any]) -> dict[str, Any] | None:
        kind = self._type(name)
        if kind is None:
            self._fault(name, "statistics of a column that the schema does not have", name)
            return None
        if (over := self._over(said)) is not None:
            self._fault(name, "a count of a column is more than the rows", f"{name} {over} of {self._rows}")
            return None
        if kind.startswith(_OF_TEXT) and (numbers := [figure for figure in _NUMERIC if figure in said]):
            self._fault(name, "numeric statistics of a column that the schema says is text", f"{name} ({kind})")
            return {figure: value for figure, value in said.items() if figure not in numbers}
        if not _within(said):
            self._fault(name, "a mean is not between the minimum and the maximum", f"{name} mean {said['mean']}")
            return {figure: value for figure, value in said.items() if figure != "mean"}
        return said

    def _type(self, name: str) -> str | None:
        """None where there is a schema without the column. A part of a nested column is found by what it is part of."""
        if not self._types:
            return ""
        found = self._types.get(name.casefold())
        return "" if found is None and name.casefold().split(".")[0] in self._types else found

    def _over(self, said: Mapping[str, Any]) -> str | None:
        if self._rows is None:
            return None
        counts = {"nulls": said.get("null_count"), "distinct values": said.get("distinct_count")}
        if "histogram" in said:
            counts["values in the histogram"] = sum(said["histogram"]["counts"])
        return next((f"{n} {what}" for what, n in counts.items() if n is not None and n > self._rows), None)

    def _fault(self, column: str, reason: str, detail: str) -> None:
        self.reasons[column] = reason
        self._faults.setdefault(reason, []).append(detail)


def _within(said: Mapping[str, Any]) -> bool:
    told = [value for name in ("min", "mean", "max") if isinstance(value := said.get(name), float)]
    if len(told) < 3:
        return True  # not told, or not finite, which JSON has as text
    low, mean, high = told
    slack = _ROUNDING * max(abs(low), abs(high))
    return low - slack <= mean <= high + slack


def in_one(found: Iterable[Told]) -> tuple[Told, ...]:
    """One for each dataset, sorted: of one that the event reads and writes, what is said of it as written stands."""
    best: dict[str, Told] = {}
    for said in found:
        if said.node not in best or said.written >= best[said.node].written:
            best[said.node] = said
    return tuple(best[node] for node in sorted(best))

"""Which rows of a table of prediction samples, or of labels, are to be taken, and why not the others."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from knowledge.ingest.samples import TEXTS

MOST_NAMED = 10
LONGEST = 200
CLOCKS_DIFFER = timedelta(days=1)
"""How far ahead of ours a sender's clock may be."""
LARGEST_ID = 2**53
_FEATURE = "f."
_TEXT = pa.string()

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class RefusedRows:
    """Rows that were not taken, and why; `first` are the places of the first of them, from 0."""

    reason: str
    rows: int
    first: tuple[int, ...]


@dataclass(frozen=True)
class KnownModel:
    """What is known of a model: its snapshots, and its features where any were announced."""

    snapshots: Collection[str]
    features: Collection[str]


Sorted = tuple[pa.Table, tuple[RefusedRows, ...]]


def models_of(table: pa.Table) -> list[str]:
    """The models that a table names, in order."""
    return (
        sorted(filter(None, pc.unique(table["model"].cast(_TEXT)).to_pylist())) if "model" in table.schema.names else []
    )


def sort_samples(table: pa.Table, known: Mapping[str, KnownModel], now: datetime) -> Sorted:
    """The samples to take, and the others with the reason; `known` is by model.

    Columns that are missing, and times and predictions of a wrong type, are left for the whole table to be refused by.
    """
    if not {"ts", *TEXTS} <= set(table.column_names) or not pa.types.is_timestamp(table["ts"].type):
        return table, ()
    left, refused = _sorted(table, _faults_of_samples(table, known, now))
    texts = [name for name, column in zip(left.column_names, left.columns, strict=True) if _no_numbers(name, column)]
    return left.drop_columns(texts), refused  # where such a column had a value, the row was refused


def sort_labels(table: pa.Table, known: Mapping[str, KnownModel]) -> Sorted:
    """The labels to take, and the others with the reason. Raises ValueError where a column is missing or no number."""
    lacking = [name for name in ("request_id", "model", "label") if name not in table.column_names]
    if lacking:
        raise ValueError(f"labels need the columns request_id, model and label; missing: {', '.join(lacking)}")
    if not _is_number(table["label"].type):
        raise ValueError(f"label must be numbers, and is {table['label'].type}")
    return _sorted(table, _faults_of_labels(table, known))


def _sorted(table: pa.Table, faults: Iterator[tuple[str, Mask]]) -> Sorted:
    kept, refused = np.ones(len(table), dtype=bool), []
    for reason, bad in faults:
        at_fault = np.flatnonzero(bad & kept)  # each row is refused once, for the first reason
        if len(at_fault):
            kept[at_fault] = False
            refused.append(RefusedRows(reason, len(at_fault), tuple(at_fault[:MOST_NAMED].tolist())))
    return _spelt_out(table.filter(pa.array(kept))), tuple(refused)


def _spelt_out(table: pa.Table) -> pa.Table:
    for name in TEXTS:
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, table[name].cast(_TEXT))
    return table


def _faults_of_samples(table: pa.Table, known: Mapping[str, KnownModel], now: datetime) -> Iterator[tuple[str, Mask]]:
    yield from _faults_of_texts(table, ("ts", *TEXTS))
    kind = table["ts"].type
    if kind.tz:
        latest = pa.scalar((now + CLOCKS_DIFFER).replace(microsecond=0), kind)
        yield f"a time more than a day after now ({now:%Y-%m-%dT%H:%M}Z)", _mask(pc.greater(table["ts"], latest))
        yield "a time before 1970", _mask(pc.less(table["ts"], pa.scalar(datetime(1970, 1, 1, tzinfo=UTC), kind)))
    yield from _faults_of_models(table, known)
    snapshot = table["snapshot"].cast(_TEXT)
    for model in models_of(table):
        if model not in known:
            continue
        mine = _mask(pc.equal(table["model"].cast(_TEXT), model))
        theirs = pa.array(sorted(known[model].snapshots), _TEXT)
        unknown = mine & ~_mask(pc.is_in(snapshot, value_set=theirs))
        yield f"a snapshot of {model!r} that is not known; send its record first", unknown
        yield from _faults_of_width(table, model, mine, known[model].features)
    for name in table.column_names:
        if name.startswith(_FEATURE) or name == "label":
            yield from _faults_of_numbers(name, table[name])


def _faults_of_labels(table: pa.Table, known: Mapping[str, KnownModel]) -> Iterator[tuple[str, Mask]]:
    yield from _faults_of_texts(table, ("request_id", "model", "label"))
    yield "a label that is not a finite number", ~_mask(pc.is_finite(table["label"].cast(pa.float64())))
    yield from _faults_of_models(table, known)


def _faults_of_texts(table: pa.Table, needed: Collection[str]) -> Iterator[tuple[str, Mask]]:
    for name in needed:
        yield f"no {name}", _mask(pc.is_null(table[name]))
        if name in TEXTS:
            coded = table[name].combine_chunks()
            long = pc.greater(pc.utf8_length(coded.dictionary), LONGEST)
            yield f"a {name} of more than {LONGEST} characters", _mask(long.take(coded.indices))


def _faults_of_models(table: pa.Table, known: Mapping[str, KnownModel]) -> Iterator[tuple[str, Mask]]:
    model = table["model"].cast(_TEXT)
    for name in models_of(table):
        if name not in known:
            yield f"model {name!r} is not known; send its record first", _mask(pc.equal(model, name))


def _faults_of_width(table: pa.Table, model: str, mine: Mask, announced: Collection[str]) -> Iterator[tuple[str, Mask]]:
    """A feature that was not announced. One that is missing is no fault of the sample: to find it is our business."""
    if not announced:
        return
    names = [name for name in table.column_names if name.startswith(_FEATURE)]
    more = [name for name in names if name.removeprefix(_FEATURE) not in announced]
    there = {name: mine & _mask(pc.is_valid(table[name])) for name in more}
    told = [name for name in more if there[name].any()]
    if told:
        reason = (
            f"features of {model!r} that were not announced: {', '.join(told[:MOST_NAMED])} besides "
            f"{len(announced)}; send their records first"
        )
        yield reason, np.logical_or.reduce([there[name] for name in told])


def _faults_of_numbers(name: str, column: pa.ChunkedArray) -> Iterator[tuple[str, Mask]]:
    kind = column.type
    if _no_numbers(name, column):
        yield f"{name} must be a number, and is {kind}", _mask(pc.is_valid(column))
    elif pa.types.is_integer(kind) and kind.bit_width == 64:
        beyond = pc.or_(pc.greater(column, LARGEST_ID), pc.less(column, -LARGEST_ID if _signed(kind) else 0))
        yield f"{name} holds an id beyond 2^53, which a float64 cannot tell apart: hash it to fewer bits", _mask(beyond)


def _no_numbers(name: str, column: pa.ChunkedArray) -> bool:
    if name == "label":
        return not _is_number(column.type)
    listed = pa.types.is_nested(column.type) and not pa.types.is_struct(column.type)  # lists are judged as a whole
    return name.startswith(_FEATURE) and not listed and not _is_number(column.type)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))


def _signed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_signed_integer(kind))


def _mask(found: pa.ChunkedArray | pa.Array) -> Mask:
    mask: Mask = pc.fill_null(found, False).to_numpy(zero_copy_only=False).astype(bool)
    return mask

"""Prediction samples and labels as a body of bytes: a Parquet file, an Arrow file or an Arrow stream → a table of the
columns that are used. Payload in, table out, no IO. `sample_rows.py` says which of its rows are to be taken."""

import io
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.parquet as pq

PARQUET = "application/vnd.apache.parquet"
ARROW_FILE = "application/vnd.apache.arrow.file"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
LARGEST = 1 << 30
"""A body may unpack to so many bytes."""
TEXTS = ("request_id", "model", "snapshot")
_FEATURE = "f."
_USED = ("ts", *TEXTS, "prediction", "label")


class UnreadableSamples(ValueError):
    """The body is refused whole; the message says why."""


def read_samples(body: bytes, content_type: str) -> pa.Table:
    """The table of a body, without the columns that nobody reads; texts are dictionaries.

    Raises `UnreadableSamples` for another type, a damaged file, or one that unpacks to more than a gigabyte.
    """
    kind = content_type.partition(";")[0].strip().lower()
    readers: dict[str, Callable[[bytes], pa.Table]] = {
        PARQUET: _parquet,
        ARROW_FILE: _arrow_file,
        ARROW_STREAM: _arrow_stream,
    }
    if kind not in readers:
        raise UnreadableSamples(f"samples come as one of {', '.join(readers)}, and not as {kind or 'nothing at all'}")
    try:
        table = readers[kind](body)
        table.validate(full=True)
        return _texts_coded(table)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, UnreadableSamples):
            raise
        first = str(error).strip().splitlines()
        raise UnreadableSamples(f"the body is no whole {kind} file: {first[0] if first else 'unknown error'}") from None


def _parquet(body: bytes) -> pa.Table:
    # Texts stay dictionaries: spelt out, a long one that every row repeats could take any amount of memory.
    texts = [name for name in TEXTS if name in pq.read_schema(io.BytesIO(body)).names]
    file = pq.ParquetFile(io.BytesIO(body), read_dictionary=texts)
    groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    columns = [group.column(place) for group in groups for place in range(group.num_columns)]
    _bounded(sum(max(column.total_uncompressed_size, 8 * column.num_values) for column in columns))
    return file.read(_used(file.schema_arrow))


def _arrow_file(body: bytes) -> pa.Table:
    with pa.ipc.open_file(pa.py_buffer(body)) as reader:
        return _of_batches(reader.schema, (reader.get_batch(place) for place in range(reader.num_record_batches)))


def _arrow_stream(body: bytes) -> pa.Table:
    with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
        return _of_batches(reader.schema, reader)


def _of_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    names = _used(schema)
    taken, size = [], 0
    for batch in batches:
        size += batch.nbytes
        _bounded(size)
        taken.append(batch.select(names))
    return pa.Table.from_batches(taken, pa.schema([schema.field(name) for name in names]))


def _used(schema: pa.Schema) -> list[str]:
    names = [name for name in schema.names if name in _USED or name.startswith(_FEATURE)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableSamples(f"these columns are there twice: {', '.join(twice)}")
    return names


def _bounded(size: int) -> None:
    if size > LARGEST:
        raise UnreadableSamples(f"the body unpacks to more than {LARGEST >> 20} MiB; send smaller batches")


def _texts_coded(table: pa.Table) -> pa.Table:
    for name in TEXTS:
        if name in table.column_names:
            place, column = table.column_names.index(name), table[name]
            if not pa.types.is_dictionary(column.type):
                if not _is_text(column.type):
                    raise UnreadableSamples(f"{', '.join(TEXTS)} must be text, and {name} is {column.type}")
                column = column.dictionary_encode()
            elif not _is_text(column.type.value_type):
                raise UnreadableSamples(f"{', '.join(TEXTS)} must be text, and {name} is {column.type.value_type}")
            coded = column.cast(pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()
            table = table.set_column(place, name, coded)
    return table


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

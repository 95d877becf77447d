"""Where a sampler sends its rows: Parquet files in a folder, or the HTTP API. Both write Parquet with pyarrow."""

import io
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from knowledge.files import replaced
from knowledge.telemetry.rows import NeverTaken, Rows

PARQUET = "application/vnd.apache.parquet"
_FOR_GOOD = (400, 413, 415, 422)
"""Answers that the same batch would get again."""


def as_table(rows: Rows) -> pa.Table:
    """The rows as the table of prediction samples that the assistant takes."""
    columns = {
        "ts": pa.array(np.round(rows.ts * 1e6).astype(np.int64), pa.timestamp("us", tz="UTC")),
        "request_id": pa.array(rows.request_id, pa.string()),
        "model": pa.array([rows.model] * len(rows), pa.string()),
        "snapshot": pa.array(rows.snapshot, pa.string()),
    }
    for place, name in enumerate(rows.segment_names):
        columns[f"seg.{name}"] = pa.array([values[place] for values in rows.segments], pa.string())
    by_feature = np.ascontiguousarray(rows.features.T)
    columns |= {f"f.{name}": pa.array(values) for name, values in zip(rows.names, by_feature, strict=True)}
    return pa.table({**columns, "prediction": pa.array(rows.prediction)})


def _write(rows: Rows, file: BinaryIO) -> None:
    # Dictionaries and a strong compression would cost the serving process ten times as much, for little on floats.
    texts = ["model", "snapshot", *(f"seg.{name}" for name in rows.segment_names)]
    pq.write_table(as_table(rows), file, compression="lz4", use_dictionary=texts, write_statistics=False)


class ParquetFolder:
    """A file in a folder for every batch, durable when `send` returns: for platforms that carry files on themselves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, rows: Rows) -> Mapping[str, int]:
        """Refuses none. Raises `OSError` where the file cannot be written."""
        with replaced(self._folder / f"{uuid4().hex}.parquet") as file:
            _write(rows, file)
        return {}


class HttpApi:
    """The assistant's API at `url`, for example http://127.0.0.1:8765. `key` is one of its `api_keys`, where it has
    any."""

    def __init__(self, url: str, timeout_s: float = 30.0, key: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the assistant's address begins with http:// or https://, and is {url!r}")
        self._url, self._timeout_s = url.rstrip("/") + "/api/v1/samples", timeout_s
        self._headers = {"Content-Type": PARQUET} | ({"Authorization": f"Bearer {key}"} if key else {})

    def send(self, rows: Rows) -> Mapping[str, int]:
        """The rows that the assistant refuses, by reason. Raises `OSError` where it does not answer now, and
        `NeverTaken` where it refuses the batch."""
        body = io.BytesIO()
        _write(rows, body)
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url, data=body.getvalue(), headers=self._headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
                told = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            said = f"{self._url} answers {error.code}: {error.read(2000).decode(errors='replace')}"
            raise (NeverTaken(said) if error.code in _FOR_GOOD else OSError(said)) from None
        except ValueError as error:
            raise OSError(f"{self._url} does not answer as the assistant does: {error}") from None
        return {row["reason"]: row["rows"] for row in told["refused"]}

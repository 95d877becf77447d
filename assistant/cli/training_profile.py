"""`hawkeye training profile`: the record of a partition, from its Parquet file."""

from datetime import datetime
from pathlib import Path

import click

from assistant.cli.failures import Failure
from assistant.wire import Window
from knowledge.partitions import UnreadablePartition, profile_file


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dataset", required=True, help="the dataset that it is a partition of")
@click.option("--partition", help="its name; the file's name without the ending, if not given")
@click.option("--start", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="the first event time of its rows")
@click.option("--end", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="the end of their event times")
@click.option("--label", help="the column of the label")
@click.option("--key", multiple=True, help="a column that names a row, for duplicates; repeatable")
@click.option("--bins", type=click.Path(path_type=Path), help="a healthy partition whose quantiles are the bins")
def profile(
    file: Path,
    dataset: str,
    partition: str | None,
    start: datetime | None,
    end: datetime | None,
    label: str | None,
    key: tuple[str, ...],
    bins: Path | None,
) -> None:
    """Print the record of the partition in FILE (Parquet), for the `partitions` of a training run.

    Its rows, nulls, duplicates, label counts, the statistics of each column, and how each goes with the label.
    """
    if (start is None) != (end is None):
        raise click.UsageError("give --start and --end, or neither")
    try:
        day = Window(start=start, end=end) if start and end else None
        told = profile_file(file, dataset, partition or file.stem, day=day, label=label, key=key, bins=bins)
    except UnreadablePartition as error:
        raise Failure(str(error)) from None
    except ValueError as error:
        raise Failure(str(error)) from None
    click.echo(told.model_dump_json(indent=2))

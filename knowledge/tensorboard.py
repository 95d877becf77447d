"""TensorBoard event files → curves of a training run. Needs the extra `tensorboard`, imported when it is used."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from tools.records import MetricCurve

MOST_POINTS = 100_000
"""Of one curve; longer ones are thinned by TensorBoard's own sampling, which keeps the last point."""


class UnreadableEvents(ValueError):
    """The events cannot be read; the message says why and what to do."""


def event_curves(folder: Path) -> list[MetricCurve]:
    """The scalars and the scalar tensors of all event files in a folder, by step; of a step, what was written last.

    A file that breaks off, because its writer was killed or still writes, is read as far as it goes. Raises
    `UnreadableEvents`.
    """
    if not folder.is_dir():
        raise UnreadableEvents(f"there is no folder {folder}; name the one that the SummaryWriter wrote to")
    if not any(folder.rglob("events.out.tfevents.*")):
        raise UnreadableEvents(f"{folder} holds no event files (events.out.tfevents.*)")
    found: dict[str, dict[int, float]] = {}
    for place in sorted({path.parent for path in folder.rglob("events.out.tfevents.*")}):
        prefix = "" if place == folder else f"{place.relative_to(folder).as_posix()}/"
        for name, points in _read(place).items():
            found.setdefault(prefix + name, {}).update(points)
    curves = [(name, sorted(points.items())) for name, points in sorted(found.items()) if points]
    if not curves:
        raise UnreadableEvents(f"the event files in {folder} hold no scalars; were they written before the first step?")
    return [
        MetricCurve(name=name, steps=tuple(step for step, _ in points), values=tuple(value for _, value in points))
        for name, points in curves
    ]


def _read(folder: Path) -> dict[str, dict[int, float]]:
    accumulator = _accumulator(folder)
    tags = accumulator.Tags()
    found = {
        tag: {int(event.step): float(event.value) for event in accumulator.Scalars(tag)} for tag in tags["scalars"]
    }
    for tag in tags["tensors"]:
        points = {int(event.step): _scalar(event.tensor_proto) for event in accumulator.Tensors(tag)}
        known = {step: value for step, value in points.items() if value is not None}
        if known:
            found.setdefault(tag, {}).update(known)
    return found


def _accumulator(folder: Path) -> Any:
    try:
        from tensorboard.backend.event_processing import event_accumulator
    except ImportError:
        raise UnreadableEvents("event files need TensorBoard: pip install 'hawkeye[tensorboard]'") from None
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it tells of every file that breaks off
    sizes = {event_accumulator.SCALARS: MOST_POINTS, event_accumulator.TENSORS: MOST_POINTS}
    accumulator = event_accumulator.EventAccumulator(str(folder), size_guidance={**_NOTHING, **sizes})
    try:
        accumulator.Reload()
    except Exception as error:  # noqa: BLE001 (undocumented, on damaged records)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableEvents(f"the event files in {folder} cannot be read: {reason[:200]}") from None
    return accumulator


_NOTHING = {"images": 1, "audio": 1, "histograms": 1, "compressedHistograms": 1}


def _scalar(proto: Any) -> float | None:
    """The number in a tensor of one number; None where it holds more, or text."""
    from tensorboard.util import tensor_util

    try:
        array = np.asarray(tensor_util.make_ndarray(proto))
    except (TypeError, ValueError):
        return None
    return float(array.reshape(())) if array.size == 1 and array.dtype.kind in "fiub" else None

"""Event files become curves, also where they break off."""

from pathlib import Path

import pytest

from knowledge.tensorboard import UnreadableEvents, event_curves

tensorboard = pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")


def write(folder: Path, values: list[float]) -> Path:
    """Scalars as torch's SummaryWriter writes them, and a scalar tensor as Keras does."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util import tensor_util

    writer = EventFileWriter(str(folder))
    for step, value in enumerate(values):
        tensor = tensor_util.make_tensor_proto(value / 2)
        told = [
            Summary.Value(tag="loss", simple_value=value),
            Summary.Value(
                tag="epoch_loss",
                tensor=tensor,
                metadata=SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars")),
            ),
        ]
        writer.add_event(Event(step=step, wall_time=float(step), summary=Summary(value=told)))
    writer.close()
    return next(folder.glob("events.out.tfevents.*"))


def test_scalars_and_scalar_tensors_by_step(tmp_path: Path) -> None:
    write(tmp_path, [0.5, 0.25, float("nan"), 0.125])
    curves = {curve.name: curve for curve in event_curves(tmp_path)}
    assert curves["loss"].steps == (0, 1, 2, 3)
    assert curves["loss"].values[3] == 0.125
    assert str(curves["loss"].values[2]) == "nan"
    assert curves["epoch_loss"].values[0] == 0.25


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = write(tmp_path, [0.5, 0.25, 0.125])
    whole = file.read_bytes()
    for cut in range(1, 60, 7):
        file.write_bytes(whole[:-cut])
        (curve, *_) = event_curves(tmp_path)
        assert 1 <= len(curve.values) <= 3


def test_what_holds_no_scalars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableEvents, match="no folder"):
        event_curves(tmp_path / "missing")
    with pytest.raises(UnreadableEvents, match="no event files"):
        event_curves(tmp_path)
    (tmp_path / "events.out.tfevents.1").write_bytes(b"\x00\x01nothing of the kind" * 20)
    with pytest.raises(UnreadableEvents):
        event_curves(tmp_path)

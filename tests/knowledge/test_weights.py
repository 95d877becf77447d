"""The weights of a snapshot, whatever file it is, from below the roots only; files that lie are refused by name."""

import json
import pickle
import struct
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from knowledge.artifacts import LARGEST_BYTES, Artifacts
from knowledge.weights import SnapshotFiles
from tests.knowledge import hostile
from tests.tools.ports import InMemoryModels
from tools.ports import UnreadableArtifact
from tools.records import Snapshot

DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "U16": torch.uint16,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


def tensors() -> dict[str, torch.Tensor]:
    """One of each type, with every float8 there is, and an empty and a scalar one."""
    torch.manual_seed(0)
    every = torch.arange(256, dtype=torch.uint8)
    made = {name: (torch.randn(3, 4) * 9).to(dtype) for name, dtype in DTYPES.items()}
    made |= {"all e4m3": every.view(torch.float8_e4m3fn), "all e5m2": every.view(torch.float8_e5m2)}
    return made | {"none": torch.zeros(0, 3), "one": torch.tensor(7.0)}


def safetensors(path: Path, change: Callable[[dict[str, Any]], object] = lambda _: None, tail: bytes = b"") -> Path:
    """The file as Hugging Face's writer makes it; `change` edits the header."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors().items():
        content = tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        data += content
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data + tail)
    return path


def files(root: Path, artifact: str | None) -> SnapshotFiles:
    at = datetime(2013, 5, 4, tzinfo=UTC)
    models = InMemoryModels(all_snapshots=[Snapshot(snapshot="s", model="m", published_at=at, artifact=artifact)])
    return SnapshotFiles(Artifacts([root / "absent", root], models))


def read(path: Path) -> dict[str, np.ndarray]:
    weights = files(path.parent, path.name).weights("s")
    assert weights is not None
    return dict(weights)


def expect(weights: dict[str, np.ndarray]) -> None:
    """All values of `tensors`, and no way to write to them."""
    expected = tensors()
    assert list(weights) == list(expected)
    for name, tensor in expected.items():
        array = weights[name]
        wide = tensor.float() if tensor.dtype.is_floating_point and tensor.dtype != torch.float64 else tensor
        np.testing.assert_array_equal(array.astype(wide.numpy().dtype), wide.numpy())
        assert array.shape == tuple(tensor.shape)
        assert not array.flags.writeable


def test_safetensors_are_read(tmp_path: Path) -> None:
    expect(read(safetensors(tmp_path / "m.safetensors")))


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_state_dict_is_read(tmp_path: Path, suffix: str) -> None:
    torch.save(tensors(), tmp_path / f"m{suffix}")
    expect(read(tmp_path / f"m{suffix}"))


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_the_weights_inside_a_checkpoint_are_read(tmp_path: Path, key: str) -> None:
    torch.save({key: tensors(), "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "m.pt")
    expect(read(tmp_path / "m.pt"))


def test_an_exported_program_is_read(tmp_path: Path) -> None:
    hostile.honest(tmp_path / "m.pt2")
    assert set(read(tmp_path / "m.pt2")) == {"deep.weight", "deep.bias"}


def reoffset(name: str, start: int, stop: int) -> Callable[[dict[str, Any]], object]:
    return lambda header: header[name].update(data_offsets=[start, stop])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (reoffset("BOOL", 0, 10**12), "lies at 0 to 1000000000000"),
        (reoffset("BOOL", 12, 0), "lies at"),
        (reoffset("BOOL", -1, 12), "greater than or equal"),
        (reoffset("U8", 0, 12), "after one that ends at 12"),
        (reoffset("U8", 13, 24), "after one that ends at 12"),
        (lambda header: header["F32"].update(shape=[3, 5]), "15 elements"),
        (lambda header: header["F32"].update(shape=[2**62, 2**62]), "elements"),
        (lambda header: header["F32"].update(shape=[-3, -4]), "greater than or equal"),
        (lambda header: header["F32"].update(shape=["3", "4"]), "valid integer"),
        (lambda header: header["F32"].update(dtype="C64"), "type 'C64'"),
        (lambda header: header["F32"].pop("shape"), "shape"),
        (lambda header: header["F32"].update(code="x"), "code"),
        (lambda header: header.popitem(), "end at byte"),
        (lambda header: header.update({"\x1b[2J": header.pop("one")}), "not a plain one"),
    ],
)
def test_safetensors_that_lie_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    safetensors(tmp_path / "evil.safetensors", change)
    with pytest.raises(UnreadableArtifact, match=reason) as refused:
        read(tmp_path / "evil.safetensors")
    assert str(refused.value).startswith("evil.safetensors is refused")


def test_a_file_that_is_larger_than_any_model_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "endless.safetensors").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)  # sparse: it takes no room
    with pytest.raises(UnreadableArtifact, match=f"has {LARGEST_BYTES + 1} bytes, and up to {LARGEST_BYTES} are read"):
        read(tmp_path / "endless.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_truncated_safetensors_are_refused(tmp_path: Path, kept: int) -> None:
    content = safetensors(tmp_path / "cut.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:kept])
    with pytest.raises(UnreadableArtifact, match="cut.safetensors is refused"):
        read(tmp_path / "cut.safetensors")


@pytest.mark.parametrize("header", [b"[]", b"{", b"[" * 100_000, b'{"a": 1}', b"\xff\xfe"])
def test_a_header_that_is_none_is_refused(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "evil.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(UnreadableArtifact, match="header"):
        read(tmp_path / "evil.safetensors")


def test_bytes_after_the_last_tensor_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableArtifact, match="end at byte"):
        read(safetensors(tmp_path / "evil.safetensors", tail=b"\0"))


def test_a_pickle_that_would_run_code_does_not(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "zip.pt").write_bytes(hostile.pickled(marker))
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(hostile.Touch(marker)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(hostile.Touch(marker), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("zip.pt", "plain.pt", "old.pt"):
        with pytest.raises(UnreadableArtifact, match=f"{name} is refused"):
            read(tmp_path / name)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        ([1, 2], "no state_dict"),
        ({"lr": 0.1}, "no state_dict"),
        ({1: torch.zeros(2)}, "no state_dict"),
        ({"sparse": torch.zeros(2, 2).to_sparse()}, "layout"),
        ({"complex": torch.zeros(2, dtype=torch.complex64)}, "complex64"),
        ({"claims": torch.zeros(1).expand(10**12)}, "claim more than 8 times"),
        ({"x": torch.nn.Linear(1, 1)}, "Python objects"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, held: Any, reason: str) -> None:
    torch.save(held, tmp_path / "m.pt")
    with pytest.raises(UnreadableArtifact, match=reason):
        read(tmp_path / "m.pt")


@pytest.mark.parametrize("kept", [0, 100, -100])
def test_a_truncated_state_dict_is_refused(tmp_path: Path, kept: int) -> None:
    torch.save(tensors(), tmp_path / "m.pt")
    (tmp_path / "m.pt").write_bytes((tmp_path / "m.pt").read_bytes()[:kept])
    with pytest.raises(UnreadableArtifact, match="m.pt is refused"):
        read(tmp_path / "m.pt")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    with pytest.raises(UnreadableArtifact, match="end in .pt2, .safetensors, .pt, .pth"):
        read(tmp_path / "m.onnx")


def test_no_artifact_is_no_weights(tmp_path: Path) -> None:
    assert files(tmp_path, None).weights("s") is None
    assert files(tmp_path, "x").weights("unknown") is None


@pytest.mark.parametrize("artifact", ["../m.pt2", "a/../../m.pt2", "/etc/passwd", "..\\m.pt2", "", "\0"])
def test_a_path_out_of_the_root_is_refused(tmp_path: Path, artifact: str) -> None:
    with pytest.raises(UnreadableArtifact, match="must be a path below"):
        files(tmp_path, artifact).weights("s")


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "roots").mkdir()
    hostile.honest(tmp_path / "m.pt2")
    (tmp_path / "roots" / "m.pt2").symlink_to(tmp_path / "m.pt2")
    with pytest.raises(UnreadableArtifact, match="link leads out"):
        files(tmp_path / "roots", "m.pt2").weights("s")


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UnreadableArtifact, match="looked in"):
        files(tmp_path, "gone.pt2").weights("s")

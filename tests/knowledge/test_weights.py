"""Weights of real torch.export files are read exactly, and files that lie are refused with the entry and the reason."""

import json
import warnings
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.artifacts import Artifacts
from knowledge.pt2 import read_pt2
from knowledge.weights import SnapshotFiles
from tests.tools.ports import InMemoryModels
from tools.ports import UnreadableArtifact
from tools.records import Snapshot

CONFIG = "m/data/weights/model_weights_config.json"
Entries = dict[str, bytes]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A real exported model with the kinds of tensors that models have, and its own state for comparison."""
    import torch

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(8, 4)
            self.dense = torch.nn.Linear(4, 3)
            self.tied = self.dense.weight
            self.narrow = torch.nn.Parameter(torch.randn(3).bfloat16())
            self.turned = torch.nn.Parameter(torch.randn(3, 2).t().contiguous().t())
            self.register_buffer("steps", torch.tensor(7))

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.dense(self.table(ids)) + self.narrow.float() + self.turned.sum() + self.steps
            return out

    torch.manual_seed(0)
    model = Small().eval()
    path = tmp_path_factory.mktemp("exported") / "m.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model, (torch.zeros(2, dtype=torch.long),)), path)
    state = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    return path, state


def rewrite(source: Path, target: Path, change: Callable[[Entries], None], compression: int = 0) -> Path:
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return target


def edit_first_tensor(**fields: Any) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        config = json.loads(entries[CONFIG])
        payload = next(iter(config["config"].values()))
        for name, value in fields.items():
            (payload if name in payload else payload["tensor_meta"])[name] = value
        entries[CONFIG] = json.dumps(config).encode()

    return change


def test_every_tensor_is_read_as_torch_has_it(exported: tuple[Path, dict[str, Any]]) -> None:
    path, state = exported
    read = read_pt2(path)
    assert read.keys() >= state.keys()
    for name, expected in state.items():
        np.testing.assert_array_equal(np.asarray(read[name], dtype=np.float32), expected)
        assert name == "narrow" or not read[name].flags.writeable


def test_no_torch_is_needed(exported: tuple[Path, dict[str, Any]]) -> None:
    import subprocess
    import sys

    read = f"p.read_pt2(pathlib.Path({str(exported[0])!r}))"
    code = f"import sys, pathlib, knowledge.pt2 as p; {read}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def drop_config(entries: Entries) -> None:
    del entries[CONFIG]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (edit_first_tensor(use_pickle=True), "pickled"),
        (edit_first_tensor(tensor_meta=None), "pickled"),
        (edit_first_tensor(path_name="weight_999"), "not in the file"),
        (edit_first_tensor(path_name="../../models/model.json"), "not in the file"),
        (edit_first_tensor(sizes=[{"as_int": 2**62}], strides=[{"as_int": 2**62}]), "reaches to byte"),
        (edit_first_tensor(sizes=[{"as_int": -1}]), "greater than or equal"),
        (edit_first_tensor(sizes=[{"as_name": "s0"}]), "as_int"),
        (edit_first_tensor(sizes=[{"as_int": 1}] * 3), "3 sizes and"),
        (edit_first_tensor(sizes=[{"as_int": 2**40}], strides=[{"as_int": 0}]), "times the size of the file"),
        (edit_first_tensor(storage_offset={"as_int": 2**60}), "reaches to byte"),
        (edit_first_tensor(dtype=9), "not supported"),
        (edit_first_tensor(layout=1), "not supported"),
        (lambda e: e.update({CONFIG: b"{" * 100_000}), "not JSON"),
        (lambda e: e.update({CONFIG: b"[" * 100_000}), "not JSON"),
        (lambda e: e.update({CONFIG: b"[]"}), "valid dictionary"),
        (lambda e: e.update({"m/data/aotinductor/model/x.so": b"\x7fELF"}), "compiled code"),
        (lambda e: e.update({"m/data/constants/custom_obj_0": b"\x80\x04."}), "pickled object"),
        (lambda e: e.update({"m/data/constants/opaque_obj_0": b""}), "opaque object"),
        (lambda e: e.update({"m/../../etc/passwd": b""}), "plain path"),
        (lambda e: e.update({"elsewhere/x": b""}), "one folder"),
        (lambda e: e.update({"m/data/weights/other_weights_config.json": e[CONFIG]}), "describes 2"),
        (lambda e: e.update({"m/byteorder": b"big"}), "byteorder"),
        (drop_config, "describes 0"),
    ],
)
def test_a_file_that_lies_is_refused(
    exported: tuple[Path, dict[str, Any]], tmp_path: Path, change: Callable[[Entries], None], reason: str
) -> None:
    path = rewrite(exported[0], tmp_path / "evil.pt2", change)
    with pytest.raises(UnreadableArtifact, match=reason) as refused:
        read_pt2(path)
    assert "evil.pt2 is refused" in str(refused.value)


def test_a_compressed_entry_is_refused(exported: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path = rewrite(exported[0], tmp_path / "z.pt2", lambda _: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnreadableArtifact, match="compressed"):
        read_pt2(path)


def test_a_local_header_that_disagrees_is_refused(exported: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    path = rewrite(exported[0], tmp_path / "h.pt2", lambda _: None)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"m/models/model.json", b"m/models/m0del.json", 1))
    with pytest.raises(UnreadableArtifact, match="does not agree"):
        read_pt2(path)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(exported: tuple[Path, dict[str, Any]], tmp_path: Path, kept: float) -> None:
    content = exported[0].read_bytes()
    path = tmp_path / "cut.pt2"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UnreadableArtifact, match="refused"):
        read_pt2(path)


def test_damaged_bytes_are_read_or_refused_but_never_crash(
    exported: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    content = exported[0].read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.pt2"
    for _ in range(150):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), 20):
            damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            for tensor in read_pt2(path).values():
                np.asarray(tensor).sum()
        except UnreadableArtifact:
            pass


def files(root: Path, artifact: str | None) -> SnapshotFiles:
    at = datetime(2013, 5, 4, tzinfo=UTC)
    models = InMemoryModels(all_snapshots=[Snapshot(snapshot="s", model="m", published_at=at, artifact=artifact)])
    return SnapshotFiles(Artifacts([root / "absent", root], models))


def test_an_artifact_below_a_root_is_found(exported: tuple[Path, dict[str, Any]]) -> None:
    root = exported[0].parent.parent
    read = files(root, f"{exported[0].parent.name}/m.pt2").weights("s")
    assert read is not None
    assert "table.weight" in read
    assert files(root, None).weights("s") is None
    assert files(root, "x").weights("unknown") is None


@pytest.mark.parametrize("artifact", ["../m.pt2", "a/../../m.pt2", "/etc/passwd", "..\\m.pt2", "", "\0"])
def test_a_path_out_of_the_root_is_refused(tmp_path: Path, artifact: str) -> None:
    with pytest.raises(UnreadableArtifact, match="must be a path below"):
        files(tmp_path, artifact).weights("s")


def test_a_link_out_of_the_root_is_refused(exported: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "m.pt2").symlink_to(exported[0])
    with pytest.raises(UnreadableArtifact, match="link leads out"):
        files(tmp_path, "m.pt2").weights("s")


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UnreadableArtifact, match="looked in"):
        files(tmp_path, "gone.pt2").weights("s")

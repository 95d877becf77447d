"""What is published is what was exported, without what is nobody else's business; and it is never changed."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from knowledge.files import replaced
from knowledge.pt2 import read_program, read_pt2
from knowledge.publishing import NotPublished, place_of, publish
from knowledge.weights import READERS
from tools.ports import UnreadableArtifact


class Bags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(10, 4)
        self.last = nn.Linear(7, 1)

    def forward(self, dense: torch.Tensor, ids: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        scored: torch.Tensor = self.last(torch.cat([dense, self.bag(ids, offsets)], dim=1))
        return scored + torch.tensor(2.0)


INPUTS = (torch.full((5, 3), 1234.5), torch.arange(5), torch.arange(5))
"""Rows that somebody may recognise."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torch writes it, with example inputs and somebody's file in it."""
    file = tmp_path_factory.mktemp("home") / "kim_late.pt2"
    program = torch.export.export(Bags().eval(), INPUTS)
    torch.export.save(program, file, extra_files={"notes.txt": "for Kim"})
    return file


def write_safetensors(path: Path, weights: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """The length of the header, the header, the bytes."""
    header: dict[str, object] = {"__metadata__": metadata}
    raw = b""
    for name, weight in weights.items():
        data = weight.numpy().tobytes()
        offsets = [len(raw), len(raw) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(weight.shape), "data_offsets": offsets}
        raw += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw)


def copy(root: Path, artifact: str) -> Path:
    return root / artifact


def test_the_copy_computes_the_same_in_torch_and_here(exported: Path, tmp_path: Path) -> None:
    path = copy(tmp_path, publish(exported, tmp_path, "late", "late/1").artifact)
    loaded, original = torch.export.load(path), torch.export.load(exported)
    assert torch.equal(loaded.module()(*INPUTS), original.module()(*INPUTS))
    assert loaded.example_inputs is None
    for name, weight in read_pt2(exported).items():
        np.testing.assert_array_equal(read_pt2(path)[name], weight)
    here, there = read_program(exported), read_program(path)
    assert [node.operator for node in here.nodes] == [node.operator for node in there.nodes]
    assert here.inputs == there.inputs


def test_rows_paths_and_other_files_are_left_out(exported: Path, tmp_path: Path) -> None:
    published = publish(exported, tmp_path, "late", "late/1")
    assert set(published.left_out) == {"data/sample_inputs/model.pt", "extra/notes.txt"}
    raw = copy(tmp_path, published.artifact).read_bytes()
    source = Path(__file__)
    assert str(source.parent).encode() in exported.read_bytes()
    assert str(source.parent).encode() not in raw
    assert source.name.encode() in raw, "the name of the source file stays"
    assert struct.pack("<f", 1234.5) * 3 in exported.read_bytes()
    assert struct.pack("<f", 1234.5) not in raw
    assert b"Kim" not in raw
    assert b"kim_late" not in raw, "nor the name of the file, which is the inner folder's"


def test_guards_and_folders_of_any_system_are_left_out(exported: Path, tmp_path: Path) -> None:
    said = {"stack_trace": r'  File "C:\Users\Kim Lee\m.py", line 3', "custom": "see /home/kim/notes/today.txt"}
    odd = tmp_path / "odd.pt2"
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(odd, "w") as new:
        for entry in old.infolist():
            text = old.read(entry)
            if entry.filename.endswith("models/model.json"):
                told = json.loads(text)
                told["graph_module"]["graph"]["nodes"][0]["metadata"] |= said
                text = json.dumps(told | {"guards_code": ["L['x'].size()[0] >= 2"]}).encode()
            new.writestr(entry, text)
    with zipfile.ZipFile(copy(tmp_path, publish(odd, tmp_path, "late", "odd").artifact)) as archive:
        told = json.loads(archive.read("archive/models/model.json"))
    node = told["graph_module"]["graph"]["nodes"][0]
    assert told["guards_code"] == []
    assert node["metadata"]["stack_trace"] == '  File "m.py", line 3'
    assert node["metadata"]["custom"] == "see today.txt"


def test_every_tensor_lies_where_torch_maps_it_from(exported: Path, tmp_path: Path) -> None:
    path = copy(tmp_path, publish(exported, tmp_path, "late", "late/1").artifact)
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for entry in archive.infolist():
            name, extra = struct.unpack("<HH", raw[entry.header_offset + 26 : entry.header_offset + 30])
            assert (entry.header_offset + 30 + name + extra) % 64 == 0
            assert entry.compress_type == zipfile.ZIP_STORED


def test_the_same_file_again_changes_nothing_and_another_one_is_refused(exported: Path, tmp_path: Path) -> None:
    artifact = publish(exported, tmp_path, "late", "late/1").artifact
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert publish(exported, tmp_path, "late", "late/1").artifact == artifact
    assert publish(copy(tmp_path, artifact), tmp_path, "late", "late/1").artifact == artifact, "a copy of the copy"
    other = tmp_path / "other.pt2"
    torch.export.save(torch.export.export(Bags().eval(), INPUTS), other)
    with pytest.raises(NotPublished, match="another file was published as late/1 before.*choose another id"):
        publish(other, tmp_path, "late", "late/1")
    other.unlink()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_the_columns_are_goes_with_it(exported: Path, tmp_path: Path) -> None:
    file = tmp_path / "in" / "late.pt2"
    file.parent.mkdir()
    file.write_bytes(exported.read_bytes())
    columns = [{"column": i, "feature": f"d{i}", "kind": "dense", "baseline": 0.0} for i in range(3)]
    beside = file.with_name("late.features.json")
    beside.write_text(json.dumps({"model": "late", "inputs": {"dense": columns}}))
    path = copy(tmp_path, publish(file, tmp_path, "late", "late/1").artifact)
    assert [column.feature for column in read_program(path).columns] == ["d0", "d1", "d2"]
    beside.write_text(json.dumps({"model": "late", "inputs": {"dense": columns[:2]}}))
    with pytest.raises(NotPublished, match="another file was published"):
        publish(file, tmp_path, "late", "late/1")
    beside.write_text(json.dumps({"model": "late", "inputs": {"dance": columns}}))
    with pytest.raises(UnreadableArtifact, match="no input 'dance'"):
        publish(file, tmp_path, "late", "late/2")


def test_weights_alone_can_be_published(tmp_path: Path) -> None:
    weights = {"last.weight": torch.arange(6.0).reshape(2, 3), "last.bias": torch.tensor([1.0, float("nan")])}
    write_safetensors(tmp_path / "late.safetensors", weights, {"made_by": "/home/kim"})
    torch.save(weights, tmp_path / "late.pt")
    for file, left_out in (("late.safetensors", ("__metadata__",)), ("late.pt", ())):
        published = publish(tmp_path / file, tmp_path / "root", "late", file)
        assert published.left_out == left_out
        found = READERS[Path(file).suffix](copy(tmp_path / "root", published.artifact))
        for name, weight in weights.items():
            np.testing.assert_array_equal(found[name], weight.numpy())
    assert (
        b"/home/kim" not in copy(tmp_path / "root", place_of("late", "late.safetensors", ".safetensors")).read_bytes()
    )


def test_what_is_refused_leaves_nothing_behind(exported: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    hostile = tmp_path / "hostile.pt2"
    with zipfile.ZipFile(exported) as old, zipfile.ZipFile(hostile, "w") as new:
        for entry in old.infolist():
            text = old.read(entry)
            if entry.filename.endswith("weights_config.json"):
                text = text.replace(b'"use_pickle": false', b'"use_pickle": true')
            new.writestr(entry, text)
    truncated = tmp_path / "truncated.pt2"
    truncated.write_bytes(exported.read_bytes()[:-500])
    for file in (hostile, truncated):
        with pytest.raises(UnreadableArtifact, match=f"{file.name} is refused"):
            publish(file, root, "late", "late/1")
    for name, reason in (("late.txt", "is no artifact: they end in .pt2"), ("gone.pt2", "there is no file")):
        with pytest.raises(NotPublished, match=reason):
            publish(tmp_path / name, root, "late", "late/1")
    with pytest.raises(NotPublished, match="cannot write .*File name too long"):
        publish(exported, root, "late", "ü" * 150)
    assert not [path for path in root.rglob("*") if path.is_file()]


def test_no_two_snapshots_share_a_place_and_none_leads_out(tmp_path: Path) -> None:
    names = [("a/b", "c"), ("a", "b/c"), ("a", "b%2Fc"), ("..", ".."), ("..", "../../x"), ("a\\b", "c"), ("a", "b/c ")]
    places = [place_of(model, snapshot, ".pt2") for model, snapshot in names]
    assert len(set(places)) == len(names)
    for place in places:
        assert (tmp_path / place).resolve().parent.parent == tmp_path.resolve()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write() -> None:
        with replaced(path) as file:
            file.write(b"new")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        write()
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]

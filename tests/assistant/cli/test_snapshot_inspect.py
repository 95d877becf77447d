import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from knowledge.exporting import categorical, export, save
from tests.assistant.cli.command import Hawkeye
from tests.knowledge import hostile
from tests.models.layers import Tables


class Late(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tables, self.out = Tables(7, 10, 2), nn.Linear(14, 1)

    def forward(self, ids: Tensor) -> Tensor:
        answer: Tensor = self.out(self.tables(ids).flatten(1))
        return answer


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inspected") / "late.pt2"
    ids = torch.zeros(4, 7, dtype=torch.int64)
    save(export(Late(), (ids,)), path, "late", categorical("ids", [f"f{place}" for place in range(7)], ids))
    return path


def test_a_snapshot_as_text(hawkeye: Hawkeye, snapshot: Path) -> None:
    done = hawkeye("snapshot", "inspect", snapshot)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("late.pt2: a program of torch 2.")
    assert "  ids  int64 (any, 7)  categorical: f0, f1, f2, f3, f4 and 2 more" in lines
    assert "Tensors: 9 (9 float32), 155 values, 620 bytes" in lines
    words = [" ".join(line.split()) for line in lines]
    assert "0 to 6, each Embedding 1 20" in words
    assert "out Linear 1 15" in words
    assert not any("refused" in line or "left out" in line for line in lines)


def test_the_depth_of_the_modules(hawkeye: Hawkeye, snapshot: Path) -> None:
    lines = hawkeye("snapshot", "inspect", snapshot, "--depth", "0").stdout.splitlines()
    assert any(line.startswith("  Late") for line in lines)
    assert not any("Linear" in line for line in lines)


def test_a_snapshot_as_json(hawkeye: Hawkeye, snapshot: Path) -> None:
    told = json.loads(hawkeye("snapshot", "inspect", snapshot, "--json").stdout)
    assert told["inputs"][0]["sizes"] == [None, 7]
    assert len(told["tensors"]) == 9
    assert told["refused"] == []


def test_a_refused_one_says_why_and_exits_with_1(hawkeye: Hawkeye, tmp_path: Path) -> None:
    honest = hostile.honest(tmp_path / "honest.pt2")
    hostile.rewrite(honest, tmp_path / "m.pt2", hostile.calls("os.system"))
    done = hawkeye("snapshot", "inspect", tmp_path / "m.pt2")
    assert done.returncode == 1
    assert "It is refused:\n  the operator 'os.system' is not on the list" in done.stdout
    assert "In the file, and left out when it is published\n  example inputs" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(("name", "says"), [("none.pt2", "does not exist"), ("notes.txt", "is no snapshot"), ("", "")])
def test_what_is_no_snapshot_at_all(hawkeye: Hawkeye, tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    assert says in hawkeye("snapshot", "inspect", tmp_path / name).refused(2)


def test_names_from_a_file_do_not_steer_the_terminal(hawkeye: Hawkeye, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    hostile.rewrite(hostile.honest(tmp_path / "honest.pt2"), path, hostile.calls("\x1b[2Jos.system"))
    assert "\x1b" not in hawkeye("snapshot", "inspect", path).stdout

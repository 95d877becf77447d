"""Hostile files are refused by name, or read without running anything of what they hold."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from knowledge.pt2 import read_program, read_pt2
from tests.knowledge import hostile
from tests.knowledge.hostile import Lie
from tools.ports import UnreadableArtifact
from tools.program.interpreter import Interpreter, RunFailed, UnsupportedProgram

ROWS = torch.arange(12.0).reshape(3, 4) / 10

TORCH_LOADS = """
import sys, warnings, torch
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    try:
        torch.export.load(path).module()(torch.zeros(3, 4))
    except BaseException:
        pass
"""


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.honest(tmp_path_factory.mktemp("honest") / "m.pt2")


@pytest.fixture(scope="module")
def answer(honest: Path) -> torch.Tensor:
    with torch.no_grad():
        (expected,) = Interpreter(read_program(honest)).run([ROWS]).values()
        assert torch.equal(expected, torch.export.load(honest).module()(ROWS))
    return expected


def test_none_of_the_four_ways_to_run_code_runs_it(honest: Path, answer: torch.Tensor, tmp_path: Path) -> None:
    """The flag is refused; the others are in places that nobody looks at."""
    for name, way in hostile.RUNS_CODE.items():
        marker = tmp_path / "marker"
        path = hostile.rewrite(honest, tmp_path / "m.pt2", way(marker))
        if name == "a flag that says pickle":
            refused(path, Lie(lambda _: None, "pickled"))
        else:
            (given,) = Interpreter(read_program(path)).run([ROWS]).values()
            assert torch.equal(given, answer)
        assert not marker.exists()


def test_torch_runs_all_four(honest: Path, tmp_path: Path) -> None:
    """Why there is a reader of our own. When torch stops doing this, this test fails, and the reason can be told."""
    markers, paths = [], []
    for place, way in enumerate(hostile.RUNS_CODE.values()):
        markers.append(tmp_path / f"marker{place}")
        paths.append(hostile.rewrite(honest, tmp_path / f"m{place}.pt2", way(markers[-1])))
    subprocess.run([sys.executable, "-c", TORCH_LOADS, *map(str, paths)], check=True, capture_output=True)
    assert [marker.exists() for marker in markers] == [True] * 4


def refused(path: Path, lie: Lie) -> str:
    with pytest.raises(UnreadableArtifact, match=lie.reason) as caught:
        Interpreter(read_program(path))
    return str(caught.value)


@pytest.mark.parametrize("name", hostile.REFUSED_WHEN_READ)
def test_a_file_that_lies_is_refused(name: str, honest: Path, tmp_path: Path) -> None:
    lie = hostile.REFUSED_WHEN_READ[name]
    said = refused(hostile.rewrite(honest, tmp_path / "evil.pt2", lie.change), lie)
    assert said.startswith("evil.pt2 is refused: ")
    assert said.isprintable()
    assert len(said) < 1_000


@pytest.mark.parametrize("target", hostile.REFUSED_OPERATORS)
def test_an_operator_that_is_not_on_the_list_is_refused_by_name(target: str, honest: Path, tmp_path: Path) -> None:
    path = hostile.rewrite(honest, tmp_path / "evil.pt2", hostile.calls(target, hostile.ref("linear")))
    with pytest.raises(UnsupportedProgram) as caught:
        Interpreter(read_program(path))
    assert target.removeprefix("torch.ops.").removeprefix("_") in str(caught.value)


@pytest.mark.parametrize("name", hostile.REFUSED_WHEN_MADE_READY)
def test_a_graph_that_makes_no_sense_is_refused(name: str, honest: Path, tmp_path: Path) -> None:
    lie = hostile.REFUSED_WHEN_MADE_READY[name]
    refused(hostile.rewrite(honest, tmp_path / "evil.pt2", lie.change), lie)


@pytest.mark.parametrize("name", hostile.FAILS_WHEN_RUN)
def test_a_node_that_cannot_be_computed_is_named(name: str, honest: Path, tmp_path: Path) -> None:
    lie = hostile.FAILS_WHEN_RUN[name]
    interpreter = Interpreter(read_program(hostile.rewrite(honest, tmp_path / "evil.pt2", lie.change)))
    with pytest.raises(RunFailed, match=lie.reason) as caught:
        interpreter.run([ROWS])
    assert caught.value.node is not None
    assert caught.value.node.name in str(caught.value)


def test_a_compressed_bomb_is_refused_unopened(honest: Path, tmp_path: Path) -> None:
    def bomb(entries: hostile.Entries) -> None:
        entries[hostile.MODEL] = bytes(50_000_000)

    path = hostile.rewrite(honest, tmp_path / "evil.pt2", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    refused(path, Lie(bomb, "compressed"))


def test_entries_that_share_bytes_are_refused(honest: Path, tmp_path: Path) -> None:
    path = hostile.overlapping(honest, tmp_path / "evil.pt2")
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("archive/inner").header_offset > archive.getinfo("archive/outer").header_offset
    refused(path, Lie(lambda _: None, "shares bytes"))


def test_an_entry_that_is_there_twice_is_refused(honest: Path, tmp_path: Path) -> None:
    path = hostile.rewrite(honest, tmp_path / "evil.pt2", lambda _: None)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(hostile.MODEL, b"{}")
    refused(path, Lie(lambda _: None, "there twice"))


def test_a_local_header_that_disagrees_is_refused(honest: Path, tmp_path: Path) -> None:
    path = hostile.rewrite(honest, tmp_path / "h.pt2", lambda _: None)
    hostile.swap_bytes(path, path, b"archive/models/model.json", b"archive/models/m0del.json")
    refused(path, Lie(lambda _: None, "does not agree"))


def test_json_that_was_damaged_on_its_way_is_refused(honest: Path, tmp_path: Path) -> None:
    path = hostile.swap_bytes(honest, tmp_path / "evil.pt2", b"torch.ops.aten.relu.", b"torch.ops.aten.silu.")
    refused(path, Lie(lambda _: None, "checksum"))


def test_a_directory_of_gigabytes_is_refused(honest: Path, tmp_path: Path) -> None:
    content = bytearray(hostile.rewrite(honest, tmp_path / "evil.pt2", lambda _: None).read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 12 : end + 16] = (0xFFFFFFF0).to_bytes(4, "little")
    (tmp_path / "evil.pt2").write_bytes(content)
    refused(tmp_path / "evil.pt2", Lie(lambda _: None, "directory|zip"))


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(honest: Path, tmp_path: Path, kept: float) -> None:
    content = honest.read_bytes()
    (tmp_path / "cut.pt2").write_bytes(content[: int(len(content) * kept)])
    for read in (read_pt2, read_program):
        with pytest.raises(UnreadableArtifact, match="cut.pt2 is refused"):
            read(tmp_path / "cut.pt2")


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.pt2"):
        with pytest.raises(UnreadableArtifact, match="cannot be read"):
            read_program(path)

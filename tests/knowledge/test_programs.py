"""Snapshots are examined in a process of their own, which may be slow, greedy or crash without harm to this one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from knowledge.artifacts import Artifacts
from knowledge.programs import SnapshotPrograms
from knowledge.pt2 import read_program
from knowledge.workspace import Workspace
from tests.knowledge import analyses, hostile
from tests.tools.ports import InMemoryModels
from tools.ports import PortError, UnreadableArtifact
from tools.program.interpreter import Interpreter, RunFailed, UnsupportedProgram
from tools.records import Snapshot

ROWS = [[0.1, 0.2, 0.3, 0.4], [1.0, -1.0, 0.0, 2.0]]
TIMEOUT_S = 20.0
MEMORY_BYTES = 1 << 30


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    honest = hostile.honest(root / "m.pt2")
    hostile.rewrite(honest, root / "evil.pt2", hostile.tensor(use_pickle=True))
    hostile.rewrite(honest, root / "unknown.pt2", hostile.calls("torch.ops.aten.from_file.default"))
    hostile.rewrite(honest, root / "huge.pt2", hostile.FAILS_WHEN_RUN["petabytes"].change)
    two_gigabytes = hostile.calls("torch.ops.aten.full.default", {"as_ints": [2 << 28]}, {"as_float": 1.0})
    hostile.rewrite(honest, root / "large.pt2", two_gigabytes)
    torch.save({"x": torch.zeros(2)}, root / "weights.pt")
    return root


def programs_below(root: Path, timeout_s: float = TIMEOUT_S) -> SnapshotPrograms:
    at = datetime(2013, 5, 4, tzinfo=UTC)
    snapshots = [
        Snapshot(snapshot=path.name, model="m", published_at=at, artifact=path.name) for path in root.iterdir()
    ]
    none = Snapshot(snapshot="none", model="m", published_at=at)
    artifacts = Artifacts([root], InMemoryModels(all_snapshots=[*snapshots, none]))
    return SnapshotPrograms(artifacts, timeout_s=timeout_s, memory_bytes=MEMORY_BYTES)


@pytest.fixture(scope="module")
def programs(root: Path) -> Iterator[SnapshotPrograms]:
    opened = programs_below(root)
    yield opened
    opened.close()


def alive(pid: int) -> bool:
    """Whether a process runs: not one that has ended and not been waited for."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] not in "ZX"


def test_an_analysis_runs_on_the_programs_in_their_order(programs: SnapshotPrograms, root: Path) -> None:
    (expected,) = Interpreter(read_program(root / "m.pt2")).run([torch.tensor(ROWS)]).values()
    answer = programs.examine(analyses.outputs, ["m.pt2", "m.pt2"], ROWS)
    assert answer == [expected.tolist()] * 2


def test_the_worker_is_another_process_and_is_kept(programs: SnapshotPrograms) -> None:
    first = programs.examine(analyses.process, ["m.pt2"])
    assert first != os.getpid()
    assert programs.examine(analyses.process, []) == first


@pytest.mark.parametrize(
    ("snapshot", "kind", "reason"),
    [
        ("evil.pt2", UnreadableArtifact, "pickled"),
        ("unknown.pt2", UnsupportedProgram, "aten.from_file.default"),
        ("weights.pt", UnreadableArtifact, "only weights"),
        ("none", UnreadableArtifact, "no artifact"),
        ("never heard of", UnreadableArtifact, "no artifact"),
        ("huge.pt2", RunFailed, "node 'relu'.*allocate"),
        ("large.pt2", RunFailed, "node 'relu'.*allocate"),
    ],
)
def test_a_refusal_comes_back_as_it_was_raised(
    programs: SnapshotPrograms, snapshot: str, kind: type[PortError], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        programs.examine(analyses.outputs, [snapshot], ROWS)


def test_a_failing_node_is_named_across_the_processes(programs: SnapshotPrograms) -> None:
    with pytest.raises(RunFailed) as failed:
        programs.examine(analyses.outputs, ["huge.pt2"], ROWS)
    assert failed.value.node is not None
    assert failed.value.node.name == "relu"


def test_an_analysis_that_takes_too_long_is_stopped(root: Path) -> None:
    programs = programs_below(root, timeout_s=0.5)
    with pytest.raises(PortError, match="longer than 0.5 s, and was stopped"):
        programs.examine(analyses.sleep, [], 600.0)
    programs.close()


def test_a_crash_harms_nothing_and_the_next_call_is_answered(programs: SnapshotPrograms) -> None:
    before = programs.examine(analyses.process, [])
    with pytest.raises(PortError, match="crashed .signal SIGSEGV."):
        programs.examine(analyses.crash, [])
    assert programs.examine(analyses.process, []) != before


def test_a_worker_that_ended_between_calls_is_not_missed(programs: SnapshotPrograms) -> None:
    before = programs.examine(analyses.process, [])
    os.kill(before, signal.SIGKILL)
    time.sleep(0.1)
    assert programs.examine(analyses.process, []) != before


def test_memory_beyond_the_limit_is_refused(programs: SnapshotPrograms) -> None:
    assert programs.examine(analyses.allocate, [], 1 << 28) == 1 << 28
    with pytest.raises(PortError, match="more than the 1024 MiB"):
        programs.examine(analyses.allocate, [], 2 << 30)


def test_with_a_gpu_the_limit_is_on_what_can_be_written_to() -> None:
    """CUDA's reservations of addresses are not refused, and what would be filled is."""
    code = """
import mmap, torch
from knowledge.worker_process import _limit_memory
torch.cuda.is_available = lambda: True
_limit_memory(256 << 20)
mmap.mmap(-1, 1 << 36, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
torch.ones(1 << 20)
try:
    torch.empty(1 << 32)
except RuntimeError:
    print("refused")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert told.stdout == "refused\n"


def test_a_bug_in_an_analysis_is_told_with_its_place(programs: SnapshotPrograms) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug") as failed:
        programs.examine(analyses.fail, [])
    assert "analyses.py" in "".join(failed.value.__notes__)
    with pytest.raises(RuntimeError, match="cannot be sent back"):
        programs.examine(analyses.unsendable, [])


def test_closing_the_workspace_leaves_nothing_running(tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "data")
    worker = workspace.ports.programs.examine(analyses.process, [])
    assert alive(worker)
    workspace.close()
    assert not alive(worker)
    with pytest.raises(PortError, match="closed"):
        workspace.ports.programs.examine(analyses.process, [])


def test_closing_ends_a_call_that_is_going_on(root: Path) -> None:
    programs = programs_below(root, timeout_s=600)
    worker = programs.examine(analyses.process, [])
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(programs.examine, analyses.sleep, [], 600.0)
        time.sleep(0.2)
        programs.close()
        with pytest.raises(PortError, match="closed"):
            call.result(timeout=10)
    assert not alive(worker)


def test_calls_from_several_threads_take_turns(programs: SnapshotPrograms) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: programs.examine(analyses.outputs, ["m.pt2"], ROWS), range(8)))
    assert answers == [answers[0]] * 8


def test_the_worker_ends_when_its_parent_is_killed_in_the_middle_of_a_call(root: Path) -> None:
    code = (
        "import sys; from knowledge.worker import Worker; from tests.knowledge import analyses;"
        "worker = Worker(600, 1 << 30); print(worker.call(analyses.process, []), flush=True);"
        "worker.call(analyses.sleep, [], 600.0)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert alive(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(worker)


def test_nothing_of_torch_is_loaded_before_a_snapshot_is_run(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from knowledge.workspace import Workspace;"
        f"Workspace.open(pathlib.Path({str(tmp_path / 'data')!r})).close(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

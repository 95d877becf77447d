"""Whatever bytes of a valid file are damaged: the same answer, another reading of the same format, or a refusal."""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.pt2 import read_program, read_pt2
from knowledge.pt2.archive import open_archive
from tests.knowledge import hostile
from tools.ports import PortError, UnreadableArtifact
from tools.program.interpreter import Interpreter

ROWS = torch.arange(12.0).reshape(3, 4) / 10
ONE_FILE = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
POSITIONS = st.lists(st.tuples(st.integers(0, 2**31), st.integers(1, 255)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.honest(tmp_path_factory.mktemp("honest") / "m.pt2")


def run(path: Path) -> torch.Tensor | None:
    """The answer, or None for a refusal. Any other exception fails the test."""
    try:
        (answer,) = Interpreter(read_program(path)).run([ROWS]).values()
    except UnreadableArtifact:
        return None
    return answer


def tensor_bytes(path: Path) -> np.ndarray:
    """True at the bytes of the file that belong to a weight: nothing can tell that they have changed."""
    with path.open("rb") as file:
        archive = open_archive(file)
    weights = np.zeros(path.stat().st_size, bool)
    for name, (start, length, _) in archive.places.items():
        if name.startswith("data/weights/weight_"):
            weights[start : start + length] = True
    return weights


@ONE_FILE
@given(flips=POSITIONS)
def test_flipped_bytes_give_the_same_answer_or_a_refusal(
    flips: list[tuple[int, int]], honest: Path, tmp_path: Path
) -> None:
    expected, weights = run(honest), tensor_bytes(honest)
    content = bytearray(honest.read_bytes())
    for place, value in flips:
        if not weights[place % len(content)]:
            content[place % len(content)] ^= value
    path = tmp_path / "flipped.pt2"
    path.write_bytes(content)
    answer = run(path)
    assert expected is not None
    assert answer is None or torch.equal(answer, expected)


@ONE_FILE
@given(flips=POSITIONS)
def test_the_weights_alone_are_read_or_refused(flips: list[tuple[int, int]], honest: Path, tmp_path: Path) -> None:
    content = bytearray(honest.read_bytes())
    for place, value in flips:
        content[place % len(content)] ^= value
    path = tmp_path / "flipped.pt2"
    path.write_bytes(content)
    with contextlib.suppress(UnreadableArtifact):
        for tensor in read_pt2(path).values():
            np.asarray(tensor).sum()


LOOKED_AT = {
    ("graph_module", "graph"),
    ("graph_module", "signature"),
    ("schema_version", "major"),
    ("config", "deep.weight"),
    ("config", "deep.bias"),
}
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 2, 4, 7, 2**31, 2**62]),
    st.floats(),
    st.sampled_from(["x", "linear", "p_deep_weight", "torch.ops.aten.relu.default", "as_int", "", "NaN"]),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, member in inner for found in places(member, (*path, key)))]


def tampered(said: Any, data: st.DataObject) -> None:
    """One value of those that are looked at is another one, or gone."""
    read = [place for place in places(said) if place[:2] in LOOKED_AT]
    *path, last = data.draw(st.sampled_from(read))
    for key in path:
        said = said[key]
    if data.draw(st.booleans()):
        said[last] = data.draw(LEAVES)
    else:
        del said[last]


@ONE_FILE
@given(data=st.data())
def test_a_changed_value_of_the_graph_or_of_the_configs_is_read_or_refused(
    data: st.DataObject, honest: Path, tmp_path: Path
) -> None:
    """The checksums are right here, so that the change gets as far as it can. A node may fail, and is then named."""

    def changed(entries: hostile.Entries) -> None:
        entry = data.draw(st.sampled_from([hostile.MODEL, hostile.MODEL, hostile.WEIGHTS]))
        said = json.loads(entries[entry])
        tampered(said, data)
        entries[entry] = json.dumps(said).encode()

    path = hostile.rewrite(honest, tmp_path / "changed.pt2", changed)
    with contextlib.suppress(PortError):
        Interpreter(read_program(path)).run([ROWS])

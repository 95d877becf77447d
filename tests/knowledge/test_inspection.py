"""An inspection says what a file holds and every reason to refuse it, and nothing of the file is run."""

from pathlib import Path

import pytest
import torch
from torch import nn

from knowledge.exporting import dense, export, save
from knowledge.inspection import Inspection, inspect
from tests.knowledge import hostile
from tests.models.several_tasks import MixtureOfExperts
from tools.ports import UnreadableArtifact


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile.honest(tmp_path_factory.mktemp("honest") / "m.pt2")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "day.pt2"
    rows = torch.ones(5, 6)
    module = MixtureOfExperts()
    module.register_buffer("unused", torch.zeros(3, dtype=torch.int64))
    save(export(module, (rows,)), path, "ranker", dense("dense", list("abcdef"), rows))
    return path


def test_all_that_is_in_a_published_snapshot(published: Path) -> None:
    found = inspect(published)
    assert (found.refused, found.private, found.notes) == ((), (), ())
    assert found.torch_version == torch.__version__
    (tensor,) = found.inputs
    assert (tensor.name, tensor.dtype, tensor.sizes) == ("dense", "float32", (None, 6))
    assert [(column.feature, column.baseline) for column in tensor.columns] == [(name, 1.0) for name in "abcdef"]
    assert len(found.outputs) == 2
    module = MixtureOfExperts()
    by_name = {tensor.name: tensor for tensor in found.tensors}
    assert {name: by_name[name].sizes for name in module.state_dict()} == {
        name: tuple(value.shape) for name, value in module.state_dict().items()
    }
    assert (by_name["unused"].dtype, by_name["unused"].bytes) == ("int64", 24)


def test_modules_count_what_is_below_them_and_come_in_the_order_of_computation(published: Path) -> None:
    modules = {module.path: module for module in inspect(published).modules}
    expert = 6 * 12 + 12 + 12 * 8 + 8
    assert (modules["experts.1"].values, modules["experts"].values) == (expert, 3 * expert)
    assert modules["experts.1.0"].module_class == "Linear"
    assert modules["experts"].operators == 3 * 3
    assert modules[""].operators == sum(inspect(published).operators.values())
    paths = list(modules)
    assert paths[0] == ""
    assert paths.index("experts") < paths.index("gates") < paths.index("heads")
    assert paths.index("experts.0.2") < paths.index("experts.1")


def test_what_publishing_leaves_out_is_named(honest: Path) -> None:
    examples, folders = inspect(honest).private
    assert examples.startswith("example inputs (")
    assert folders.startswith("2 folders of the machine that exported it, among them /")


SLOW = {"too many nodes", "JSON huge"}
LIES = {**hostile.REFUSED_WHEN_READ, **hostile.REFUSED_WHEN_MADE_READY}


@pytest.mark.parametrize("name", sorted(LIES.keys() - SLOW))
def test_what_is_refused_elsewhere_is_refused_here_for_the_same_reason(name: str, honest: Path, tmp_path: Path) -> None:
    found = inspect(hostile.rewrite(honest, tmp_path / "m.pt2", LIES[name].change))
    assert any(matches(reason, LIES[name].reason) for reason in found.refused), found.refused


def matches(text: str, pattern: str) -> bool:
    return any(part in text for part in pattern.split("|"))


COMPILED = hostile.ROOT + "data/aotinductor/model.so"


def test_every_reason_is_found_at_once(honest: Path, tmp_path: Path) -> None:
    def spoil(entries: hostile.Entries) -> None:
        hostile.tensor(use_pickle=True)(entries)
        hostile.node(0, target="os.system")(entries)
        hostile.node(1, target="torch.ops.aten.from_file.default")(entries)
        entries[COMPILED] = b""

    found = inspect(hostile.rewrite(honest, tmp_path / "m.pt2", spoil))
    assert any("compiled code" in reason for reason in found.refused)  # of which nothing more is read
    found = inspect(hostile.rewrite(tmp_path / "m.pt2", tmp_path / "n.pt2", hostile.without(COMPILED)))
    for part in ("is pickled", "'os.system' is not on the list", "'aten.from_file.default'"):
        assert any(part in reason for reason in found.refused), found.refused


@pytest.mark.parametrize("name", hostile.RUNS_CODE)
def test_nothing_of_a_file_is_run(name: str, honest: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    inspect(hostile.rewrite(honest, tmp_path / "m.pt2", hostile.RUNS_CODE[name](marker)))
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all" * 100])
@pytest.mark.parametrize("suffix", [".pt2", ".safetensors", ".pt"])
def test_a_file_that_is_something_else(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    found = inspect(path)
    assert found.refused
    assert (found.tensors, found.bytes) == ((), len(content))


def test_a_wrong_description_is_a_reason(published: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(published.read_bytes())
    (tmp_path / "m.features.json").write_text('{"model": "m", "inputs": {"other": []}}')
    found = inspect(path)
    assert any("no input 'other'" in reason for reason in found.refused)
    assert found.inputs[0].columns == ()


def test_weights_alone(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    torch.save(module.state_dict(), tmp_path / "m.pt")
    found = inspect(tmp_path / "m.pt")
    assert (found.kind, found.refused, found.inputs) == ("weights", (), ())
    assert [(module.path, module.values) for module in found.modules] == [("", 17), ("0", 8), ("1", 9)]
    assert Inspection.model_validate_json(found.model_dump_json()) == found


def test_another_ending_is_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(UnreadableArtifact, match=r"m\.onnx is no snapshot: they end in \.pt2"):
        inspect(tmp_path / "m.onnx")

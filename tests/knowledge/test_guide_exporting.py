"""The page about exporting does what it says: its Python is run, and what it writes is read."""

import importlib
import json
import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
import torch

from assistant.settings import load
from knowledge.exporting.ladder import STEPS
from knowledge.programs import open_program
from knowledge.pt2 import read_program
from knowledge.pt2.columns import ColumnDescription, Description, read_description
from tests.knowledge.test_guide import blocks, page, says, section
from tools.program.graph import Column
from tools.program.interpreter import Interpreter

PAGE = "exporting.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of the page's Python has been run, from top to bottom."""
    folder = tmp_path_factory.mktemp("guide")
    source = "\n\n".join(blocks(PAGE, "python"))
    (folder / "flights.py").write_text(source)
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.syspath_prepend(str(folder))
        importlib.import_module("flights")
    return folder


def test_the_first_example_is_a_snapshot_with_open_rows_and_features(folder: Path) -> None:
    program = read_program(folder / "snapshots/late/2013-05-04.pt2")
    assert [tensor.sizes for tensor in program.inputs] == [(None, 2), (None, 2)]
    assert [column.feature for column in program.columns] == ["distance", "wind", "carrier", "origin"]
    assert program.notes == ()
    (answer,) = Interpreter(program).run([torch.rand(3, 2), torch.ones(3, 2, dtype=torch.int64)]).values()
    assert answer.shape == (3,)


def test_bags_and_sequences_stay_open(folder: Path) -> None:
    program = read_program(folder / "snapshots/basket/2013-05-04.pt2")
    assert [tensor.sizes for tensor in program.inputs] == [(None,), (None,), (None, None)]
    assert [(column.kind, column.offsets) for column in program.columns] == [("bag", "offsets"), ("sequence", None)]
    rows = [torch.tensor([5, 6, 7, 8]), torch.tensor([0, 4]), torch.ones(2, 4, dtype=torch.int64)]
    assert len(Interpreter(program).run(rows)) == 2


def test_torch_alone_gives_the_same_graph(folder: Path) -> None:
    ours, theirs = (read_program(folder / f"snapshots/late/2013-05-0{day}.pt2") for day in (4, 5))
    assert [node.operator for node in ours.nodes] == [node.operator for node in theirs.nodes]


def test_the_weights_of_what_does_not_export_are_recorded(folder: Path) -> None:
    path = folder / "snapshots/guarded/2013-05-04.pt"
    assert read_description(path) is not None
    program = open_program(path, "flights:Guarded").on([torch.rand(3, 2)])
    assert {node.module for node in program.nodes if node.module} == {"usual"}


def test_the_settings_of_the_page_can_be_read(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "toml")
    (tmp_path / "hawkeye.toml").write_text(text)
    assert load({}, tmp_path).factories == tomllib.loads(text)["factories"]


def test_every_key_kind_and_step_is_described() -> None:
    (example,) = blocks(PAGE, "json")
    Description.model_validate(json.loads(example))
    text = section(PAGE, "features.json")
    says(text, *Description.model_fields, *ColumnDescription.model_fields)
    says(text, *get_args(ColumnDescription.model_fields["kind"].annotation))
    assert set(ColumnDescription.model_fields) == {*Column.__dataclass_fields__} - {"input"}
    says(section(PAGE, "When export fails"), *STEPS)


def test_what_is_refused_names_what_the_reader_refuses() -> None:
    text = section(PAGE, "What is refused")
    for word in ("pickled", "AOTInductor", "control flow", "compressed", "schema version", "strides"):
        assert word in text
    assert re.search(r"`tools/program/operators\.py`", text)
    assert (Path(__file__).parents[2] / "tools/program/operators.py").is_file()
    assert page(PAGE).count("```python") >= 5

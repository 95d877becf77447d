"""What is written beside each other: the program, stripped, and what its columns mean."""

import json
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from knowledge.exporting import UnusableColumns, bag, categorical, dense, export, save, sequence
from knowledge.exporting.ladder import Export
from knowledge.pt2 import read_program
from tools.program.graph import Column


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ids, self.bags = nn.Embedding(10, 2), nn.EmbeddingBag(10, 2)

    def forward(self, numbers: Tensor, ids: Tensor, items: Tensor, starts: Tensor, past: Tensor) -> Tensor:
        told: Tensor = self.ids(ids).sum((1, 2)) + self.bags(items, starts).sum(1) + self.ids(past).sum((1, 2))
        return told + numbers.sum(1)


def batch(rows: int) -> tuple[Tensor, ...]:
    numbers = torch.arange(rows * 2.0).reshape(rows, 2)
    numbers[0, 1] = float("nan")
    ids = torch.full((rows, 1), 4)
    items, starts = torch.full((2 * rows,), 7), torch.arange(0, 2 * rows, 2)
    return numbers, ids, items, starts, torch.full((rows, 3), 2)


@pytest.fixture(scope="module")
def exported() -> Export:
    return export(Everything(), batch(5), batch(6))


def described() -> list[Column]:
    numbers, ids, items, _, past = batch(5)
    return [
        *dense("numbers", ["age", "price"], numbers, missing=-1.0),
        *categorical("ids", ["country"], ids),
        *bag("items", "basket", "starts", items),
        *sequence("past", "history", past),
    ]


def test_the_columns_that_were_written_are_read(exported: Export, tmp_path: Path) -> None:
    save(exported, tmp_path / "m.pt2", "ranker", described())
    program = read_program(tmp_path / "m.pt2")
    assert program.columns == (
        Column("numbers", 0, "age", "dense", 4.0, missing=-1.0),
        Column("numbers", 1, "price", "dense", 6.0, missing=-1.0),  # the mean of the finite values
        Column("ids", 0, "country", "categorical", 4.0),
        Column("items", 0, "basket", "bag", 7.0, offsets="starts"),
        Column("past", 0, "history", "sequence", 2.0),
    )
    assert program.notes == ()


def test_series_and_images_are_described(tmp_path: Path) -> None:
    class Shown(nn.Module):
        def forward(self, series: Tensor, image: Tensor) -> Tensor:
            return series.sum((1, 2)) + image.sum((1, 2, 3))

    series, image = torch.ones(5, 3, 2), torch.full((5, 1, 2, 2), 0.5)
    series[0, 0, 0] = float("nan")
    columns = [*dense("series", ["pace", "load"], series), *sequence("image", "picture", image)]
    save(export(Shown(), (series, image)), tmp_path / "m.pt2", "ranker", columns)
    assert read_program(tmp_path / "m.pt2").columns == (
        Column("series", 0, "pace", "dense", 1.0),
        Column("series", 1, "load", "dense", 1.0),
        Column("image", 0, "picture", "sequence", 0.5),
    )


def test_what_is_not_described_is_noted(exported: Export, tmp_path: Path) -> None:
    save(exported, tmp_path / "m.pt2", "ranker", [c for c in described() if c.input != "past"])
    assert read_program(tmp_path / "m.pt2").notes == (
        "input 'past' is not described, so its columns are known by place only",
    )


def test_neither_example_rows_nor_folders_are_in_the_file(exported: Export, tmp_path: Path) -> None:
    save(exported, tmp_path / "m.pt2", "ranker", described())
    with zipfile.ZipFile(tmp_path / "m.pt2") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    graph = next(text for name, text in contents.items() if name.endswith("models/model.json"))
    traces = [node["metadata"]["stack_trace"] for node in json.loads(graph)["graph_module"]["graph"]["nodes"]]
    assert any('File "test_artifact.py"' in trace for trace in traces)
    assert str(Path(__file__).parents[3]).encode() not in graph
    rows = [tensor.numpy().tobytes() for tensor in batch(5)]
    assert not any(row in text for row in rows for text in contents.values())


def test_every_fault_of_a_description_is_named_at_once(exported: Export, tmp_path: Path) -> None:
    wrong = [
        Column("numbers", 0, "age", "dense", 0.0),
        Column("idz", 0, "country", "categorical", 0.0),
        Column("items", 0, "basket", "bag", 0.0, offsets="begins"),
    ]
    with pytest.raises(UnusableColumns) as refused:
        save(exported, tmp_path / "m.pt2", "ranker", wrong)
    assert "'begins' is no input; there are: numbers, ids, items, starts, past" in str(refused.value)
    assert "'idz' is no input" in str(refused.value)
    assert "input 'numbers' has 2 columns, and [0] are described" in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_sample_has_a_column_for_each_feature() -> None:
    with pytest.raises(UnusableColumns, match=r"'ids' is described with 2 features and a sample of sizes \[5, 1\]"):
        categorical("ids", ["a", "b"], batch(5)[1])


def test_the_name_says_what_the_file_is(exported: Export, tmp_path: Path) -> None:
    with pytest.raises(UnusableColumns, match=r"m\.pt has to end in \.pt2"):
        save(exported, tmp_path / "m.pt", "ranker", described())

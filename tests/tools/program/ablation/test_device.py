"""Everything is computed where the inputs are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.models.dlrm import DLRM
from tests.tools.program.ablation.reference import settled
from tests.tools.program.exported import export
from tools.program.ablation.ablate import ablate
from tools.program.ablation.importance import importances
from tools.program.graph import Column, Program
from tools.records import Samples

ROWS, DENSE, FIELDS = 24, 6, 3


def exported(folder: Path) -> tuple[Program, tuple[torch.Tensor, ...]]:
    torch.manual_seed(20)
    inputs = torch.rand(ROWS, DENSE), torch.randint(0, 20, (ROWS, FIELDS))
    columns = [Column("dense", place, f"d{place}", "dense", 0.5) for place in range(DENSE)]
    columns += [Column("ids", place, f"s{place}", "categorical", 7.0) for place in range(FIELDS)]
    return export(settled(DLRM(dense=DENSE, fields=FIELDS)), inputs, folder, columns=columns), inputs


def test_nothing_is_made_on_a_device_of_its_own(tmp_path: Path) -> None:
    """Whatever is made without saying where would have no content here."""
    program, inputs = exported(tmp_path)
    expected = ablate(program, inputs)
    with torch.device("meta"):
        found = ablate(program, inputs)
    assert found.differences.device.type == "cpu"
    assert torch.equal(found.differences, expected.differences)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
def test_a_gpu_gives_the_figures_of_the_processor(tmp_path: Path) -> None:
    program, inputs = exported(tmp_path)
    expected = ablate(program, inputs)
    device = torch.device("cuda")
    on_gpu = ablate(program.moved_to(device), [value.to(device) for value in inputs])
    assert on_gpu.differences.device.type == "cuda"
    torch.testing.assert_close(on_gpu.differences.cpu(), expected.differences, rtol=0, atol=1e-5)
    features = {f"d{place}": inputs[0][:, place].numpy() for place in range(DENSE)}
    features |= {f"s{place}": inputs[1][:, place].numpy() for place in range(FIELDS)}
    samples = Samples(np.arange(ROWS), np.full(ROWS, "m"), features, np.full(ROWS, np.nan))
    told = importances([program], samples, None)
    np.testing.assert_allclose(told.differences, expected.differences[:, :, 0].T.numpy(), atol=1e-5)

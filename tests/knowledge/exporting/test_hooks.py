"""Statistics of module calls, where there is no graph."""

import math

import pytest
import torch
from torch import Tensor, nn

from knowledge.exporting.hooks import ModuleCall, module_calls, said


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shift, self.pair, self.table = nn.Identity(), nn.LSTM(2, 2), nn.Embedding(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.pair(self.shift(x.log()))[0]
        shifted: Tensor = states + self.table(torch.zeros(1, dtype=torch.int64))
        return shifted


def test_the_first_module_with_bad_output_is_named() -> None:
    calls = module_calls(Steps(), {"x": torch.tensor([[1.0, math.e], [-1.0, 0.0]])})
    assert calls[0] == ModuleCall("shift", "Identity", 4, 2, 0.0, calls[0].largest)
    assert calls[0].largest == pytest.approx(1.0)
    assert [call.path for call in calls] == ["shift", "pair", "table"]
    assert said(calls).endswith("in the output of 'shift' (Identity): 2 of 4 values")


def test_good_calls_and_none_at_all() -> None:
    assert "only finite values in the outputs of all 3 calls" in said(module_calls(Steps(), {"x": torch.ones(2, 2)}))
    assert said(()) == "the model has no parts that hooks could watch"


def test_the_hooks_are_gone_afterwards() -> None:
    module = Steps()
    module_calls(module, {"x": torch.ones(2, 2)})
    assert not any(part._forward_hooks for part in module.modules())

"""What counts as bad of a value: not finite, or outside the limits that a healthy snapshot has set."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Badness:
    """`non_finite`: NaN or an infinity. `extreme`: outside `limits`, which also makes NaN bad.

    `limits` gives the lowest and the highest healthy value by value name: of inputs, of node outputs, and of weights
    (by the program's value name), so that a weight that left its limits is found before its consequences. With
    `extreme`, a value without limits is not judged, and badness is looked for on both sides of it.
    """

    problem: Literal["non_finite", "extreme"] = "non_finite"
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def judges(self, name: str, value: Any) -> bool:
        """Whether this value can be good or bad at all: a tensor of real or complex numbers that has limits to keep."""
        import torch

        if not isinstance(value, torch.Tensor) or not (value.is_floating_point() or value.is_complex()):
            return False
        return self.problem == "non_finite" or (name in self.limits and not value.is_complex())

    def perhaps(self, name: str, value: "Tensor") -> bool:
        """False where no element is bad, as a rule; quicker than `anywhere`. For values that it `judges`."""
        if self.problem == "extreme":
            return self.anywhere(name, value)
        # A sum is finite only where everything is; that it is not may also mean that it is too large.
        return not math.isfinite(float(_comparable(value.detach()).sum()))

    def anywhere(self, name: str, value: "Tensor") -> bool:
        """Whether any element is bad. For values that it `judges`."""
        import torch

        if not value.numel():
            return False
        numbers = _comparable(value.detach())
        low, high = torch.aminmax(numbers)
        least, most = self.limits[name] if self.problem == "extreme" else (-math.inf, math.inf)
        # NaN fails every comparison, so it has to be asked in this direction. As Python's floats, so that a limit is
        # not rounded to the type of the value.
        return not (-math.inf < float(low) and least <= float(low) and float(high) <= most and float(high) < math.inf)

    def by_row(self, name: str, rows: "Tensor") -> "Tensor":
        """The rows (bool) of a value of two dimensions with a bad element. For values that it `judges`."""
        import torch

        if not rows.numel():
            return torch.zeros(len(rows), dtype=torch.bool)
        numbers = _comparable(rows.detach()).reshape(len(rows), -1)
        if self.problem == "non_finite":
            bad = ~torch.isfinite(numbers.sum(1))
            asked = bad.nonzero()[:, 0]  # of these the sum may only have been too large
            of = numbers[asked]
            # No sum of finite numbers of single precision is too large in double precision.
            single = of.dtype != torch.float64
            bad[asked] = ~(torch.isfinite(of.sum(1, dtype=torch.float64)) if single else torch.isfinite(of).all(1))
            return bad
        low, high = torch.aminmax(numbers, dim=1)
        least, most = self.limits[name]
        return ~((low.double() >= least) & (high.double() <= most) & low.isfinite() & high.isfinite())

    def elements(self, name: str, value: "Tensor") -> "Tensor":
        """True at each bad element, in the value's shape. For values that it `judges`."""
        import torch

        finite = torch.isfinite(value.detach().float() if value.element_size() == 1 else value.detach())
        if self.problem == "non_finite":
            return ~finite
        least, most = self.limits[name]
        numbers = value.detach().double()  # so that the limit is not rounded to the value's type
        return ~((numbers >= least) & (numbers <= most) & finite)


def _comparable(value: "Tensor") -> "Tensor":
    """In a type that can be ordered: complex numbers as pairs, short floats as 32-bit ones."""
    import torch

    if value.is_complex():
        return torch.view_as_real(value.resolve_conj())
    return value.float() if value.element_size() < 4 else value

"""How much of a matrix lies in one direction, by a few power iterations."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ITERATIONS = 6


def concentration(matrix: "Tensor") -> float:
    """||M||₂ / ||M||_F of a float[n, k] matrix, in (0, 1]: 1 where all rows point one way; NaN for a zero matrix.

    Power iterations on MᵀM from the sum of the rows, or from the longest row where the rows cancel (Golub & Van Loan
    2013, §8.2). Few of them give a lower bound, which is close where one direction stands out and that is where it
    counts.
    """
    import torch

    whole = float(torch.linalg.vector_norm(matrix))
    if not whole > 0:
        return float("nan")
    direction = _start(matrix)
    for _ in range(ITERATIONS):
        direction = matrix.T @ (matrix @ direction)
        length = torch.linalg.vector_norm(direction)
        if not length > 0:
            return float("nan")
        direction = direction / length
    return float(torch.linalg.vector_norm(matrix @ direction)) / whole


def _start(matrix: "Tensor") -> "Tensor":
    import torch

    longest = matrix[int(torch.linalg.vector_norm(matrix, dim=1).argmax())]
    total = matrix.sum(dim=0)
    chosen = total if torch.linalg.vector_norm(total) >= torch.linalg.vector_norm(longest) else longest
    unit: Tensor = chosen / torch.linalg.vector_norm(chosen)
    return unit

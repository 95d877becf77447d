"""A series as a small drawing of blocks, with the incident marked."""

import math
from collections.abc import Sequence
from itertools import pairwise

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from assistant.wire import Chart
from tui.widgets.figures import figure

ROWS = 2
_BLOCKS = " ▁▂▃▄▅▆▇█"


def cells(values: Sequence[float], width: int) -> list[float]:
    """`values` as at most `width` cells: the mean of the known values of each, NaN where none is known.

    Where there are fewer values than half the width, each takes several cells, so that a short series can be seen.
    """
    if not values or width < 1:
        return []
    if len(values) <= width:
        wide = min(max(width // len(values), 1), 4)
        return [value for value in values for _ in range(wide)]
    edges = [i * len(values) // width for i in range(width + 1)]
    return [_mean(values[start:end]) for start, end in pairwise(edges)]


def column(index: int, count: int, width: int) -> int:
    """The cell in which value `index` of `count` begins, drawn as `cells` does."""
    if count <= width:
        return index * min(max(width // count, 1), 4)
    return index * width // count


def rows(drawn: Sequence[float], height: int = ROWS) -> list[str]:
    """The cells as `height` lines of blocks, top first. Unknown cells stay blank; infinite ones reach the edge."""
    known = [value for value in drawn if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    levels = [_level(value, low, high, height * 8) for value in drawn]
    return ["".join(_BLOCKS[min(max(level - 8 * row, 0), 8)] for level in levels) for row in reversed(range(height))]


def _level(value: float, low: float, high: float, top: int) -> int:
    """From 1 to `top` eighths of a block; a flat series is drawn in the middle; 0 is for what is not known."""
    if math.isnan(value):
        return 0
    if math.isinf(value):
        return top if value > 0 else 1
    if high == low:
        return top // 2
    return 1 + round((value - low) / (high - low) * (top - 1))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _pointer(cell: int, text: str, width: int) -> str:
    """A caret below a cell, with its text on the side where there is room."""
    right = " " * cell + "^ " + text
    return right if len(right) <= width or cell < len(text) else f"{text} ^".rjust(cell + 1)


class Blocks(Widget):
    """The drawing alone; it fits itself to the width that it is given."""

    def __init__(self, chart: Chart) -> None:
        super().__init__()
        self._chart = chart

    def render(self) -> Content:
        width, count = self.content_size.width, len(self._chart.values)
        drawn = cells(self._chart.values, width)
        mark = self._chart.mark
        start = len(drawn) if mark is None else column(mark, count, width)
        lines = [Content.assemble(line[:start], (line[start:], "$warning")) for line in rows(drawn)]
        if mark is not None:
            lines.append(Content.assemble((_pointer(start, self._when(mark), width), "$quiet")))
        return Content("\n").join(line.truncate(width) for line in lines)

    def _when(self, mark: int) -> str:
        labels = self._chart.labels
        return f"incident, from {labels[mark]}" if mark < len(labels) else "incident"


class Sparkline(Vertical):
    """A chart with its title above and its range below, so that the drawing has a scale."""

    def __init__(self, chart: Chart) -> None:
        super().__init__()
        self._chart = chart

    def compose(self) -> ComposeResult:
        yield Static(Content(self._chart.title), classes="chart-title")
        blocks = Blocks(self._chart)
        blocks.styles.height = ROWS + (self._chart.mark is not None)
        yield blocks
        yield Static(Content(self._scale()), classes="figures")

    def _scale(self) -> str:
        values, unit = self._chart.values, self._chart.unit
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return "no value is known"
        scale = f"from {figure(min(known), unit)} to {figure(max(known), unit)}, last {figure(values[-1], unit)}"
        unknown = len(values) - len(known)
        return scale + (f"; {unknown} of {len(values)} not known" if unknown else "")

"""Shows how far something long has come: a bar on a terminal, a line now and then anywhere else. On standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Report = Callable[[str, float], None]
"""Called with what is being done, and the share of it all that is done, in [0, 1]."""

_EVERY = 0.1


@contextmanager
def reported(title: str) -> Iterator[Report]:
    """A report function for the length of the work."""
    out = Console(stderr=True, highlight=False)
    if not out.is_terminal:
        yield _lines(out, title)
        return
    columns = (TextColumn(title), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, done: bar.update(task, description=what, completed=done)


def _lines(out: Console, title: str) -> Report:
    told = -1.0

    def report(what: str, done: float) -> None:
        nonlocal told
        if done - told >= _EVERY or (done >= 1 > told):
            told = done
            out.print(f"{title}: {what} ({done:.0%})", soft_wrap=True, markup=False)

    return report

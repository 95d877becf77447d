"""Where a command logs: a file in the data folder. What a person has to know is a message, and not a log line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "hawkeye.log"


@contextmanager
def logged_to(folder: Path) -> Iterator[None]:
    """Warnings and errors go to `folder`/hawkeye.log; the file is made when the first one comes."""
    handler = logging.FileHandler(folder / FILE, delay=True, encoding="utf-8")
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()

"""The service itself, as a user starts it: `hawkeye serve` in a folder with its settings."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.servers.processes import running, until
from tests.assistant.cli.command import COMMAND

START_S = 300.0


@contextmanager
def hawkeye(folder: Path, settings: str, more: Mapping[str, str]) -> Iterator[str]:
    """Its address. `settings` go into `folder`/hawkeye.toml, beside the data and a free port; `more` are variables."""
    (folder / "hawkeye.toml").write_text('data_dir = "data"\nport = 0\n' + settings)
    here = str(Path(__file__).parents[3])
    variables = {**os.environ, "PYTHONPATH": here, "PYTHONUNBUFFERED": "1", **more}
    log = folder / "serve.log"
    with running([*COMMAND, "serve"], log, variables, folder):
        yield until(lambda: re.search(r"http://\S+:\d+", log.read_text()), "hawkeye listens", START_S)[0]

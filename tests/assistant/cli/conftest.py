import json
from pathlib import Path

import pytest

from tests.assistant import small
from tests.assistant.cli.command import Hawkeye, in_process


@pytest.fixture
def hawkeye(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hawkeye:
    """The command over the small data folder, in this process."""
    return in_process(tmp_path, monkeypatch, capsys)


@pytest.fixture
def alert(tmp_path: Path) -> Path:
    """The file of the small alert."""
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(small.webhook()))
    return path

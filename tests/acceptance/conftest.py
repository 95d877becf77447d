from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where worlds are built, each once for all tests."""
    return tmp_path_factory.mktemp("worlds")

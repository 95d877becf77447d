"""What must not be loaded: torch takes seconds and hundreds of megabytes, and few of our processes need it."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "captum"}
LOADS = {
    "the registry": "import tools.registry; tools.registry.all_tools()",
    "the terminal's client": "import tui.client",
    "the terminal": "import tui.app",
    "the command line": "import assistant.cli.main",
    "the service": "import assistant.app",
    "the faults": "import knowledge.drills.faults",
    "a built world": "import knowledge.drills.world",
}


def loaded(statement: str) -> set[str]:
    """The top-level modules of a fresh interpreter after a statement."""
    code = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("what", LOADS)
def test_torch_and_captum_are_not_loaded(what: str) -> None:
    assert not loaded(LOADS[what]) & HEAVY


def test_tools_load_neither_storage_nor_network() -> None:
    assert not loaded(LOADS["the registry"]) & {"httpx", "litestar", "pyarrow", "sqlite_utils", "textual", "knowledge"}


def test_the_terminal_is_a_client_and_loads_no_store() -> None:
    assert not loaded(LOADS["the terminal"]) & {"litestar", "pyarrow", "sqlite_utils", "scipy"}

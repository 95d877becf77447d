import json
import subprocess
import sys

from tests.assistant.cli.command import Hawkeye


def test_the_faults_are_listed_with_a_line_each(hawkeye: Hawkeye) -> None:
    listed = json.loads(hawkeye("drill", "list", "--json").stdout)
    assert [set(fault) for fault in listed] == [{"name", "description"}] * len(listed)
    assert {"weather_join", "learning_rate", "label_corruption", "traffic_mix", "nothing", "storm"} <= {
        fault["name"] for fault in listed
    }
    plain = hawkeye("drill", "list").stdout.splitlines()
    assert len(plain) == len(listed)


def test_listing_loads_neither_torch_nor_the_web_framework() -> None:
    script = (
        "import sys, assistant.cli.main, assistant.cli.drill; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'litestar', 'uvicorn', 'textual')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

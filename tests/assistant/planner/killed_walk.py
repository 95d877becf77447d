"""Run by a test in a process of its own: walks an investigation whose second tool kills the process."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from knowledge.investigations import InvestigationLog
from knowledge.store import Store
from tests.assistant.planner.stand_ins import ALERT, PROBE, TOOLS, Platform, ProbeParams
from tools.contract import Finding
from tools.ports import Ports


def _kill(params: ProbeParams, ports: Ports) -> Finding:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


if __name__ == "__main__":
    log = InvestigationLog(Store.open(Path(sys.argv[1])))
    platform = Platform(log=log, tools={**TOOLS, "probe": replace(PROBE, run=_kill)})  # type: ignore[arg-type]
    driver = platform.driver()
    driver.auto(driver.open(ALERT, "walk"))

"""The environments of real servers, at the releases that are pinned beside this file."""

from pathlib import Path

import pytest

from tests import environments


def environment(name: str, *requirements: str) -> Path:
    """The folder with the commands of an environment that `NAME.txt` pins. Skips the test where there is none."""
    try:
        return environments.environment(Path(__file__).with_name(f"{name}.txt"), *requirements)
    except environments.NotInstalled as why:
        pytest.skip(str(why))

"""The shipped playbooks. They are registered as an entry point, exactly as anybody else's are."""

from importlib.resources import files

CAUSES = files("knowledge") / "causes.toml"

"""How to reach an orchestrator: what the settings say about it. A secret is never in the settings, only where it is."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tools.ports import PortError

EMBEDDED = "embedded"
"""The name of the orchestrator that is part of every data folder."""
Kind = Literal["airflow", "prefect", "dagster"]


class Reached(BaseModel):
    """A server of the platform.

    `url` is that of its web server. The secret stands in the environment variable `secret_variable` or in the file
    `secret_file`: with `user` it is a password, without it is a token. It is read each time it is needed, so that it
    can be renewed while the service runs. `timeout_s` is how long one answer may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    user: str | None = None
    secret_variable: str | None = None
    secret_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the url must begin with http:// or https:// and name a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the url must not hold a user or password; use user and secret_file or secret_variable")
        if parts.query or parts.fragment:
            raise ValueError("the url must have no query and no fragment")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if self.secret_variable and self.secret_file:
            raise ValueError("give secret_variable or secret_file, not both")
        if self.user and not (self.secret_variable or self.secret_file):
            raise ValueError("a user needs a password: give secret_variable or secret_file")
        return self

    def secret(self) -> str | None:
        """The secret as it is now; None where there is none. Raises `PortError` where it cannot be read."""
        return read_secret(self.secret_variable, self.secret_file)


class Connection(Reached):
    """An orchestrator of the platform."""

    kind: Kind


def read_secret(variable: str | None, file: Path | None) -> str | None:
    """A secret from an environment variable or a file, None without either. Raises `PortError` if it is missing."""
    if variable:
        found = os.environ.get(variable, "").strip()
        if not found:
            raise PortError(f"the environment variable {variable} with the secret is not set; set it")
        return found
    if file is None:
        return None
    try:
        found = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise PortError(f"cannot read the secret from {file}: {reason}") from None
    if not found:
        raise PortError(f"the file {file} holds no secret; it is empty")
    return found

"""What the settings say about the MLflow server: how it is reached, and what its models are called here."""

from pathlib import Path

from pydantic import Field, model_validator

from knowledge.connectors.connection import Reached, read_secret


class Tracking(Reached):
    """An MLflow server. `models` is registered model → our model, where that is called something else.

    The secret that MLflow signs its webhooks with stands in `webhook_secret_variable` or `webhook_secret_file`.
    """

    webhook_secret_variable: str | None = None
    webhook_secret_file: Path | None = None
    models: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_webhook_secret(self) -> "Tracking":
        if self.webhook_secret_variable and self.webhook_secret_file:
            raise ValueError("give webhook_secret_variable or webhook_secret_file, not both")
        return self

    def webhook_secret(self) -> str | None:
        """The secret as it is now; None where there is none. Raises `PortError` where it cannot be read."""
        return read_secret(self.webhook_secret_variable, self.webhook_secret_file)

"""What the driver says when something cannot be done now."""


class NotNow(Exception):
    """The investigation does not allow this now; the message says why and what it waits for."""

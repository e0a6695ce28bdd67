"""``andon``: run the service, ask it, pull the cord, and the way back."""

from webhook.cli.main import main

__all__ = ["main"]

"""The spot API."""

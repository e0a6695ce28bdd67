"""The USD-M futures API."""

"""Strategies that have left: a person says that one runs here no more, and nothing is missed or remembered of it."""

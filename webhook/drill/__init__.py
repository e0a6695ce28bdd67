"""Breaks the sandbox for real and watches the kill from outside: every number comes from whoever knows it best."""

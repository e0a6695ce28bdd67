"""Faults on command: the ways in which a trading engine goes wrong, done for real, to try the kill path on."""

from sandbox.engine.faults.bleed import Bleed
from sandbox.engine.faults.fault import Fault, FaultError, FaultKind, FaultRequest
from sandbox.engine.faults.runaway import Runaway

__all__ = ["Bleed", "Fault", "FaultError", "FaultKind", "FaultRequest", "Runaway"]

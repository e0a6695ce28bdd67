"""What the exit codes mean, the same for every command."""

OK = 0
FAILED = 1
"""Refused, faulty, or broken: the message says which."""
UNREACHABLE = 2
"""The service does not answer."""
TRIPPED = 3
"""``status``: something is not NORMAL."""
NOT_VERIFIED = 4
"""``trip --wait`` and ``drill``: not verified empty (and flat) in time."""
USAGE = 64
"""The command line itself is wrong."""

TEXT = """\
exit codes:
  0  done, and for `status`: everything is normal
  1  refused or faulty; the message says why
  2  the service does not answer
  3  `status`: something is tripped
  4  `trip --wait`, `drill`: not verified within the time
  64 the command line is wrong
"""

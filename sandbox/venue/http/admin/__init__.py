"""The admin API: breaking the venue, filling it, looking into it.  docs/sandbox.md is its reference."""

"""A stack without an exchange runs on these: a simulated venue, a small engine that trades on it, a stand-in pager."""

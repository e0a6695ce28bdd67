"""The embedded default world: a simulated venue, a small trading engine that trades on it, and a stand-in pager."""

"""The latch: states, transitions, and the durable things around them."""

"""`make up` and what goes with it: the same stack by Docker Compose or as local processes."""

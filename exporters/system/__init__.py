"""What the host, the named processes and the way to the venues look like, as series."""

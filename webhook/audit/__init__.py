"""The journal: canonical bytes, the hash chain, and the walk that proves it."""

"""Which alerts may ask for which action on which scope."""

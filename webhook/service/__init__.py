"""The one page from what came in to what is answered, and what belongs to it."""

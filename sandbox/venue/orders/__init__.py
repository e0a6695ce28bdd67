"""Users' orders and the line in which they rest."""

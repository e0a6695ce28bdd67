"""What engines say of their orders, positions and money, as series."""

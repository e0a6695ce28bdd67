"""What became of the orders: which are open, how they ended, how much of each parent its children work."""

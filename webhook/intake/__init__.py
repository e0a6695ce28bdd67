"""What came in, as frozen words every later room uses."""

"""For all tests."""

from hypothesis import settings

# Machines that run tests are slow at times; how fast the code is, is measured in tests/bench.
settings.register_profile("andon", deadline=None, max_examples=60)
settings.load_profile("andon")

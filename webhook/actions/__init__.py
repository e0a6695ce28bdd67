"""What is done at engines and venues, and the proof that it worked."""

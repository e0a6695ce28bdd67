"""What people are told, and through what."""

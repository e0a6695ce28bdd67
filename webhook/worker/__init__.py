"""What happens by itself: duties in threads of their own."""

"""The outside market: books, what moves them (a recording or a random walk), and the stream of market data."""

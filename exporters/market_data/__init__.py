"""What venues publish of their markets, as series: how fresh, how complete, at what price."""

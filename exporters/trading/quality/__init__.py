"""How well a strategy trades: what is filled of what it sends, at what cost, how often it turns its inventory over."""

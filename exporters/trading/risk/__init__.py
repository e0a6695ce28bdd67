"""What a strategy stands to lose: value at risk, expected shortfall, leverage, concentration, the deepest drawdown."""

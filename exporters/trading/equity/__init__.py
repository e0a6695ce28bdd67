"""The money of strategies and accounts: equity, its peak, drawdown and daily loss."""

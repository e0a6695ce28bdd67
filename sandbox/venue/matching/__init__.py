"""What an order meets: acceptance, matching, conditional orders, settlement, liquidation."""

"""Images of the web -> a set to learn from: every input scored, kept or dropped, and accounted for in a ledger."""

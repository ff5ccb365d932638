"""Values that every layer shares: findings, evidence, plans, verdicts. Nothing here has an effect."""

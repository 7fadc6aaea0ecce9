"""What makes data good: exact conversions, quarantine, expectations, and their results as asset checks."""

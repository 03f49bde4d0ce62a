"""From planned to final: plan, claim, attempt, settle."""

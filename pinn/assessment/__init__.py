"""How good a solution is: scores, metrics, pictures."""

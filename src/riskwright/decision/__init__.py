"""Rules that act on scores under a stated risk budget, each with its certificate."""

"""Other ways to find a tree: each file has ``find(problem, seed, width, **settings) -> Found``."""

"""How many workers a search keeps busy."""

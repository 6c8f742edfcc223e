"""Tasks, blocks, search spaces, data, and a library of each."""

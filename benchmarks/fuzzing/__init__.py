"""Damaged and hostile run directories: what readers make of them."""

"""What many tasks cost."""

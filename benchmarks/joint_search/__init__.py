"""Architecture and bits searched together, against one after the other."""

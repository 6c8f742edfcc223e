"""Which methods find the tree that made the data?"""

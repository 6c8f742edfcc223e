"""Do candidates with inherited weights rank as they do when trained alone?"""

"""Does a search gain by what the training learned about branching?"""

"""How fast candidates are searched on predictors, what proposals cost, and whether parallel trials repeat."""

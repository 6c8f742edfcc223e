"""How good a front a sampler finds with few evaluations, on problems whose answers cost nothing."""

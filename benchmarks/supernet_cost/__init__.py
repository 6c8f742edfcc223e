"""What a training step of the supernetwork costs, against other ways to learn where to branch; and a whole training."""

"""Training: methods, and the loop that runs them."""

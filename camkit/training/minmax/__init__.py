"""MinMaxCAM (BMVC 2021): the two losses, their two stages, and fine-tuning of the last linear layer alone."""

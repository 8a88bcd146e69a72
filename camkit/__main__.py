"""`python -m camkit`, and `torchrun -m camkit`."""

from camkit.cli import main

main()

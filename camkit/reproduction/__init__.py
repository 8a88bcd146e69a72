"""The papers' claims, tested: a plan of cells, what each measures, and a verdict on every claim."""

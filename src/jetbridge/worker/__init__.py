"""The composition root: which threads a worker runs, and the parent that keeps the processes alive."""

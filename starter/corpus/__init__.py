"""The generators of the training text, one module per kind of task."""

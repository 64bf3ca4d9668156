"""Training data: which shapes exist, whether a file fits one, and its rows. Never imports what imports torch."""

"""How fast ModelForge trains and answers, side by side with what else there is: ``make bench``."""

"""ModelForge: fine-tuning without code, on your own machine."""

__version__ = "2.0.0"

"""Scripts that measure ModelForge; what they found stands in LOG.md."""

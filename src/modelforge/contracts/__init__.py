"""The types of the public promise, each defined once. Everything else is derived from them."""

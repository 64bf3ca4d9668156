"""The playground: a process of its own that keeps models loaded and generates, and the client that drives it."""

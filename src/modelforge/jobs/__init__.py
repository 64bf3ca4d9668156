"""A job's life: accepted, started, watched, ended, taken up again."""

"""The database: the index of jobs, metrics, models and datasets."""

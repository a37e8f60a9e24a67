"""The queue of jobs, the worker that does them, and what it does for each kind."""

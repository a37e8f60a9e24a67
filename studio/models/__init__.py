"""Models: which presets there are, how one is imported, trained, and held in memory."""

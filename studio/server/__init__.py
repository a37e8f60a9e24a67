"""The web server: who may come in, what it serves beside the pages, and the commands that start it."""

"""Conversations: asked, answered as one looks on, branched, found again, and kept as files."""

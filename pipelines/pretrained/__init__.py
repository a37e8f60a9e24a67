"""Readers of published checkpoints: each turns one publisher's files into a network of ours."""

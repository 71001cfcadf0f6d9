"""Heads of networks: they turn features into losses and predictions."""

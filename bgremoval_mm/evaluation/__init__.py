"""Scores, metrics and statistics."""

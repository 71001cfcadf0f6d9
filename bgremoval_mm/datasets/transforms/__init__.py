"""Transforms for the pipelines of all codebases."""

"""File formats of annotations, and categories."""

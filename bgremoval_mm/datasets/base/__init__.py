"""Base classes of the datasets."""

"""Experiments of published works: running them and reporting their results."""

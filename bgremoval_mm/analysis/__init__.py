"""Analyses of trained models and of datasets."""

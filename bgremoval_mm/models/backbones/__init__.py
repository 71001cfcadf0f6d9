"""Backbones: networks that turn photos into features."""

"""Removal over trees of images, on one machine or many."""

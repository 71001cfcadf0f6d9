"""Segmentors: whole networks that label the pixels of photos."""

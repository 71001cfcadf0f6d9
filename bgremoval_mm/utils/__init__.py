"""Helpers that know nothing of images, datasets or experiments."""

"""Pairs of photo and human mask: what a removal model of one's own is trained on."""

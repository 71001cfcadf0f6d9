"""Losses of saliency maps, as functions of arrays."""

"""Folders of results: stored masks, cut-outs."""

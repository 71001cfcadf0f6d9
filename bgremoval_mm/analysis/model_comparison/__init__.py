"""Comparisons of removal models on photos whose masks were made by people.

pairs        the photos and their masks
compare      masks of each model, their scores, and how fast the models are
scoring      one photo: the scores of each model's mask
differences  scores over photos and by cluster, intervals, verdicts
report       all of it as CSV, JSON and Markdown
sheet        the photos that each model is worst at
"""

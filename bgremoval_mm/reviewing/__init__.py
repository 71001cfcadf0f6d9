"""The page on which people decide on what waits in review, and the service behind it.

Needs the extras `serve` and `pipeline`. What a verdict does is in `pipeline.verdicts`.
"""

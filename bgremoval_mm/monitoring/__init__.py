"""Watching a network in production, and replacing it by a better one.

`series` reads what the pipeline has recorded, `shifts` tells a real drop of the IoU from noise,
`drift` compares masks' figures with those of the training set, `alarms` sends each drop once.
"""

"""Uploads: each photo is received, removed, checked and published, and none gets lost.

The way of a photo is in `states`, what is known of it in a database (`tables`, `queue`), what is
done with it in `worker`, and which model and which output it gets in `routes`.
"""

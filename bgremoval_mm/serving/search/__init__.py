"""The search by photo, as a page and for programs."""

"""The models that can remove a background, and where their files come from."""

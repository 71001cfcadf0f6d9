"""Storage, and what lies in it: files, images of a tree, the manifest."""

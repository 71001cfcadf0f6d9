"""Storage, and its content: files, the images of a tree, the manifest."""

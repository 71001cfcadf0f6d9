"""Networks in PyTorch, and the arithmetic before them."""

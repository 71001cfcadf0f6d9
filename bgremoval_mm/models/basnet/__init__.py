"""The parts of BASNet, which predicts a coarse map and refines it."""

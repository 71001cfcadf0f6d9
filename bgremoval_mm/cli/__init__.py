"""The command `bgremoval`, and what the scripts in `tools/` share with it."""

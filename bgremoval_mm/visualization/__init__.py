"""Contact sheets and other pictures."""

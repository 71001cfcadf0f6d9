"""Reading images: by content, upright, as 8-bit RGB."""

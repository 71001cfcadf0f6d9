"""The page on which a person decides on masks that the pipeline's gate has held back."""

"""The ranking of masks by how doubtful they are, and the page on which a person judges them."""

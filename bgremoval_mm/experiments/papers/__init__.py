"""The published works, one package each: experiments, published numbers, claims."""

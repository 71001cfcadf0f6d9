"""The three benchmarks of DeepFashion (Liu et al., CVPR 2016) that have lists of photos."""

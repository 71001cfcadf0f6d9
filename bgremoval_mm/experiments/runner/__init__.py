"""Running the paper's experiments with several seeds, and keeping what came out of each run.

runs      which runs there are
settings  their configs, and the data they need
state     what state each is in
worker    one run: training, resumed if need be, test, result
evidence  what a test leaves for statistics: right or wrong, image by image
schedule  many runs: on this machine's devices or by Slurm
estimate  how long a run would take, from a few timed iterations
"""

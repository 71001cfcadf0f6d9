"""Running the experiments of a work with several seeds, and keeping the result of each run.

runs       which runs there are, and where their files lie
options    their configs, and the data they need
state      what state each is in
worker     one run: training, resumed if need be, test, result
scheduler  many runs: on this machine's devices or by Slurm
estimate   how long a run would take, from a few timed iterations
plan       all of that as a table
"""

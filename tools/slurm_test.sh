#!/usr/bin/env bash
# Test on a Slurm cluster, one process a GPU.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/launch.sh
source "$here/launch.sh"

usage() {
    cat <<'END'
usage: [NAME=VALUE ...] slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [ARGUMENTS of test.py ...]

  PARTITION, JOB_NAME   as srun has them
  CONFIG                config file of the model
  CHECKPOINT            checkpoint file or URL

  environment, with its defaults:
    GPUS=8            processes in all, one a GPU
    GPUS_PER_NODE     GPUS, at most 8
    CPUS_PER_TASK=5   CPU cores a process: one more than the workers of its data loader
    SRUN_ARGS         further options of srun, parted by spaces
    MASTER_PORT       PORT, else a number by chance from 10000 to 29999
    PYTHON            the clone's .venv/bin/python, else python

Where the results go is said by --work-dir FOLDER, behind CHECKPOINT.
END
}

need_arguments 4 "$@"
partition=$1 job_name=$2 config=$3 checkpoint=$4
shift 4
launch_with_srun "$partition" "$job_name" "$here/test.py" "$config" "$checkpoint" --launcher slurm "$@"

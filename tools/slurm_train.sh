#!/usr/bin/env bash
# Train on a Slurm cluster, one process a GPU.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/launch.sh
source "$here/launch.sh"

usage() {
    cat <<'END'
usage: [NAME=VALUE ...] slurm_train.sh PARTITION JOB_NAME CONFIG [ARGUMENTS of train.py ...]

  PARTITION, JOB_NAME   as srun has them
  CONFIG                config file of the training

  environment, with its defaults:
    GPUS=8            processes in all, one a GPU
    GPUS_PER_NODE     GPUS, at most 8
    CPUS_PER_TASK=5   CPU cores a process: one more than the workers of its data loader
    SRUN_ARGS         further options of srun, parted by spaces
    MASTER_PORT       PORT, else a number by chance from 10000 to 29999
    PYTHON            the clone's .venv/bin/python, else python

There is no WORK_DIR in fourth place, as mmpretrain and mmdet have it and mmseg has not: give
--work-dir FOLDER behind CONFIG. The batch size of the config is that of each process, and the
learning rate is not scaled.
END
}

need_arguments 3 "$@"
partition=$1 job_name=$2 config=$3
shift 3
# With mmpretrain's order of arguments, each process would otherwise report an unknown argument.
case ${1:---} in
-*) ;;
*) fail "'$1' stands where mmpretrain and mmdet have WORK_DIR: write --work-dir $1" ;;
esac
launch_with_srun "$partition" "$job_name" "$here/train.py" "$config" --launcher slurm "$@"

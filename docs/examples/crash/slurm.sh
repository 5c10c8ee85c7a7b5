#!/bin/sh
#SBATCH --array=1-8
#SBATCH --cpus-per-task=1
# Explores a log as an array of jobs, on a file system that they share. combine then
# adds the parts up:
#
#	job=$(sbatch --parsable slurm.sh ARGUMENTS-OF-CRASH-EXPLORE...)
#	sbatch --dependency="afterany:$job" --wrap 'dmsnapctl crash combine part-*.json'
#
exec dmsnapctl crash explore "$@" --jobs 1 --json \
	--shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" >"part-$SLURM_ARRAY_TASK_ID.json"

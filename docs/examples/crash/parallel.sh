#!/bin/sh
# Explores a log with GNU parallel, here or with --sshlogin on many machines:
#
#	parallel.sh N ARGUMENTS-OF-CRASH-EXPLORE...
#
# Each of the N parts writes its report into the working directory.
set -eu
n=$1
shift
# A part with findings ends with an exit status of its own; combine has the verdict.
parallel "dmsnapctl crash explore $* --jobs 1 --shard {}/$n --json >part-{}.json" ::: $(seq "$n") || true
exec dmsnapctl crash combine part-*.json

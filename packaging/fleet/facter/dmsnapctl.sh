#!/bin/sh
# An external fact for Facter: copy this to /etc/facter/facts.d, executable.
# A verdict other than fixed must not count as a failure of the fact.
dmsnapctl check --all-kernels --next --format facts || :

#!/bin/sh
# An external fact for Facter: copy this to /etc/facter/facts.d, executable.
# An exit code that is no failure of the fact must not become one.
dmsnapctl check --all-kernels --next --format facts || :

#!/bin/sh
# Prints the copyright file of the packages, in Debian's format: the program's
# own licence, from LICENSE, and those of the modules in the program, from
# THIRD_PARTY.md.
#
#	copyright.sh LICENSE THIRD_PARTY.md
set -eu
[ "$#" -eq 2 ] || { echo "usage: copyright.sh LICENSE THIRD_PARTY.md" >&2; exit 64; }
cat <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: dmsnapctl
Source: https://github.com/dmsnapctl/dmsnapctl
Comment:
 The program is one static binary with the modules named below. Their paths
 are those that "go mod vendor" gives.

Files: *
Copyright: $(sed -n 's/^Copyright (c) //p' "$1")
License: Expat
$(sed -n '/^Permission/,$s/^$/./; /^Permission/,$s/^/ /p' "$1")
END
# A section of the notices is "## MODULE" and indented texts. Debian wants a
# reference to the Apache licence instead of its text.
awk '
/^\| / { split($0, cell, / *\| */); licence[cell[2]] = cell[4] }
/^## / { close_section(); module = substr($0, 4); next }
module == "" { next }
/^ +Apache License$/ {
	body = body " The text of the Apache License, version 2.0, is in\n /usr/share/common-licenses/Apache-2.0 on a Debian system.\n"
	skip = 1
	next
}
/^ +Copyright / {
	skip = 0
	line = $0
	sub(/^ +Copyright (\([cC]\) )?/, "", line)
	if (!index(owners, line)) owners = owners (owners == "" ? "" : "\n ") line
}
skip { next }
{ sub(/^    /, ""); body = body " " ($0 == "" ? "." : $0) "\n" }
END { close_section() }
function close_section() {
	if (module == "") return
	files = module == "Go standard library" ? "go/src/*" : "vendor/" module "/*"
	name = licence[module]
	gsub(/, /, " and ", name)
	gsub(/MIT/, "Expat", name)
	sub(/^( \.\n)+/, "", body)
	sub(/( \.\n)+$/, "", body)
	printf "\nFiles: %s\nCopyright: %s\nLicense: %s\n%s", files, owners, name, body
	owners = body = ""
	skip = 0
}
' "$2"

#!/bin/sh
# Installs the files below DESTDIR:
#
#	stage.sh BINARY HOSTBINARY DESTDIR PREFIX [VERSION]
#
# HOSTBINARY is the program for this machine, which writes the manual pages;
# SOURCE_DATE_EPOCH is their date. Both make install and the packages use this
# script.
set -eu
[ "$#" -ge 4 ] || { echo "usage: stage.sh BINARY HOSTBINARY DESTDIR PREFIX [VERSION]" >&2; exit 64; }
binary=$1 host=$2 root=$3 prefix=$4 version=${5:-}
top=$(cd "$(dirname "$0")/.." && pwd)
date=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%F)
share=$root$prefix/share
# Packages use the prefix /usr, where systemd looks for units. It also looks below
# /usr/local.
lib=$root$prefix/lib/systemd

install -D -m 0755 "$binary" "$root$prefix/sbin/dmsnapctl"

pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
"$host" manual --dir "$pages" --date "$date"
cp "$top"/packaging/man/*.[5-7] "$pages"
for page in "$pages"/*.[5-8]; do
	# The hand-written pages have the date of the release too.
	sed -i "s/^\.Dd .*/.Dd $(LC_ALL=C date -u -d "$date" '+%B %-d, %Y')/; s|/usr/lib/systemd/|$prefix/lib/systemd/|" "$page"
	gzip -9n "$page"
	install -D -m 0644 "$page.gz" "$share/man/man${page##*.}/${page##*/}.gz"
done

install -D -m 0644 "$top/packaging/completion/dmsnapctl.bash" "$share/bash-completion/completions/dmsnapctl"
install -D -m 0644 "$top/packaging/completion/_dmsnapctl" "$share/zsh/vendor-completions/_dmsnapctl"
install -D -m 0644 "$top/packaging/completion/_dmsnapctl" "$share/zsh/site-functions/_dmsnapctl"
install -D -m 0644 "$top/packaging/completion/dmsnapctl.fish" "$share/fish/vendor_completions.d/dmsnapctl.fish"

units="dmsnapctl-monitor.service dmsnapctl-recover.service dmsnapctl-check.service dmsnapctl-check.timer"
for unit in $units; do
	install -D -m 0644 "$top/packaging/systemd/$unit" "$lib/system/$unit"
	sed -i "s|/usr/sbin/dmsnapctl|$prefix/sbin/dmsnapctl|" "$lib/system/$unit"
done
install -D -m 0755 "$top/packaging/systemd/dmsnaptab-generator" "$lib/system-generators/dmsnaptab-generator"
sed -i "s|/usr/sbin/dmsnapctl|$prefix/sbin/dmsnapctl|" "$lib/system-generators/dmsnaptab-generator"

doc=$share/doc/dmsnapctl
for file in "$top"/docs/*.md; do
	install -D -m 0644 "$file" "$doc/docs/${file##*/}"
done
for file in "$top"/docs/examples/*/*; do
	install -D -m 0644 "$file" "$doc/docs/${file#"$top"/docs/}"
	[ ! -x "$file" ] || chmod 0755 "$doc/docs/${file#"$top"/docs/}"
done
for file in "$top"/docs/pictures/*.svg; do
	install -D -m 0644 "$file" "$doc/docs/pictures/${file##*/}"
done
install -D -m 0644 "$top/README.md" "$doc/README.md"
# Documents that only a tree has are linked where the tree is published.
tree=https://github.com/dmsnapctl/dmsnapctl/blob/main
sed -i "s#](\.\./packaging/fleet)#](../examples)#; s#](\.\./\([A-Z]\|packaging/\|vagrant/\)#]($tree/\1#g" "$doc"/docs/*.md
# Commands name the installed files.
sed -i "s#\[packaging/fleet\]#[examples]#; s#\([ \`]\)packaging/fleet/#\1/usr/share/doc/dmsnapctl/examples/#g" "$doc"/docs/*.md
sed -i "s#](\([A-Z][A-Z]*\.md\|vagrant/\)#]($tree/\1#g" "$doc/README.md"
cp -r "$top/packaging/fleet" "$doc/examples"
install -D -m 0644 "$top/packaging/systemd/monitor-grow.conf" "$doc/examples/systemd/monitor-grow.conf"
find "$doc/examples" -type d -exec chmod 0755 {} + -o -type f ! -perm -u+x -exec chmod 0644 {} +

install -D -m 0644 "$top/THIRD_PARTY.md" "$doc/THIRD_PARTY.md"
"$top/packaging/copyright.sh" "$top/LICENSE" "$top/THIRD_PARTY.md" >"$doc/copyright"
chmod 0644 "$doc/copyright"
# Where files name the places of a package.
sed -i "s|/usr/sbin/dmsnapctl|$prefix/sbin/dmsnapctl|g" "$doc"/examples/nagios/* "$doc/examples/ansible/roles/dmsnapctl/defaults/main.yml"
sed -i "s|/usr/share/doc/dmsnapctl|$prefix/share/doc/dmsnapctl|g" "$doc"/docs/*.md
cut=$("$top/packaging/cut-changelog.sh" "$version" "$date" <"$top/CHANGELOG.md")
printf '%s\n' "$cut" | gzip -9n | install -D -m 0644 /dev/stdin "$doc/changelog.gz"
if [ -n "$version" ]; then
	# Debian's name of a pre-release, as nfpm writes it.
	debian=$(printf '%s\n' "$version" | sed 's/-/~/')
	gzip -9n <<END | install -D -m 0644 /dev/stdin "$doc/changelog.Debian.gz"
dmsnapctl ($debian-1) unstable; urgency=medium

  * Release $version; changelog.gz tells what changed.

 -- dmsnapctl maintainers <maintainers@dmsnapctl.invalid>  $(LC_ALL=C date -u -d "$date" '+%a, %d %b %Y 00:00:00 +0000')
END
fi

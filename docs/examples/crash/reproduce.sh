#!/bin/bash
# Reproduces the findings of docs/crash-findings.md with dmsetup alone:
#
#	reproduce.sh invalidation|creation|torn DEVICE LOG REPLAY
#
# The contents of the three block devices are lost; each needs 24 MiB. A workload
# runs on DEVICE under dm-log-writes. What a power cut may leave of it is written to
# REPLAY: everything that a flush covers, FUA writes, and of the rest what this
# script chooses. Then the kernel activates the snapshot. Exit status 0: it shows
# other data than the frozen origin; 1: it does not, the kernel has a remedy.
set -euo pipefail
[ $# -eq 4 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 64; }
finding=$1 device=$2 log=$3 replay=$4
origin=16384 # sectors, and the first one of the store
chunk=8      # sectors
export DM_DISABLE_UDEV=1
dir=$(mktemp -d)
cd "$dir"

made=()
make() { # NAME, and the table on standard input
	dmsetup create --noudevsync "$1"
	made=("$1" "${made[@]}")
}
down() {
	for name in "${made[@]}"; do dmsetup remove --noudevsync --retry "$name"; done
	made=()
}
trap 'down; cd /; rm -rf "$dir"' EXIT

copy() { dd if="$1" of="$2" bs=1M count=24 conv=fsync,notrunc status=none "${@:3}"; }
overwrite() { # DEVICE, first chunk, number of chunks: one write after the other
	dd if=/dev/urandom of="$1" bs=4k seek="$2" count="$3" oflag=direct conv=notrunc status=none
}

# record DEVICE STORE-SECTORS makes the stack on a recorded device, with an origin
# called origin. slow.table may hold another table for the COW device.
record() {
	copy /dev/zero "$log" oflag=direct
	make lw <<<"0 49152 log-writes $1 $log"
	make real <<<"0 $origin linear /dev/mapper/lw 0"
	if [ -e slow.table ]; then make cow <slow.table; else make cow <<<"0 $2 linear /dev/mapper/lw $origin"; fi
	make snap <<<"0 $origin snapshot /dev/mapper/real /dev/mapper/cow P $chunk"
	make origin <<<"0 $origin snapshot-origin /dev/mapper/real"
}

# entries takes the stack down and lists the log: number, first sector, sectors,
# flags (1 FLUSH, 2 FUA, 4 DISCARD, 8 MARK) and where the data is, in sectors.
entries() {
	down
	copy "$log" log.img iflag=direct
	perl -e '
		open my $log, "<:raw", "log.img" or die;
		sub field { sysseek $log, $_[0], 0 or die; sysread $log, my $b, 32 or die; unpack "Q<4", $b }
		my (undef, undef, $n) = field(0);
		my $at = 1;
		for my $i (0 .. $n - 1) {
			my ($sector, $count, $flags) = field($at * 512);
			print "$i $sector $count $flags ", $at + 1, "\n";
			$at += 1 + ($flags & 4 ? 0 : $count);
		}' >entries
}

# put writes the entries on standard input to state.img.
put() {
	perl -e '
		open my $log, "<:raw", "log.img" or die;
		open my $state, "+<:raw", "state.img" or die;
		while (<STDIN>) {
			my (undef, $sector, $count, $flags, $at) = split;
			next if $flags & 12 or !$count;
			sysseek $log, $at * 512, 0 or die;
			sysread($log, my $b, $count * 512) == $count * 512 or die;
			sysseek $state, $sector * 512, 0 or die;
			syswrite($state, $b) == $count * 512 or die;
		}'
}

# flushed lists the entries up to the last flush before a number.
flushed() { awk -v before="$1" 'NR == FNR { if ($1 < before && $4 % 2) last = $1; next } last != "" && $1 <= last' entries entries; }

# judge activates the snapshot in state.img on REPLAY. It prints how many chunks are
# not the frozen ones, or Invalid.
judge() {
	copy state.img "$replay" oflag=direct
	make r-real <<<"0 $origin linear $replay 0"
	make r-cow <<<"0 $1 linear $replay $origin"
	make r-snap <<<"0 $origin snapshot /dev/mapper/r-real /dev/mapper/r-cow P $chunk"
	local status
	status=$(dmsetup status r-snap)
	case $status in
	*Invalid*) result=Invalid ;;
	*)
		dd if=/dev/mapper/r-snap of=shown.img bs=1M iflag=direct status=none
		result=$({ cmp -l shown.img frozen.img || true; } | awk '{ c[int(($1 - 1) / 4096)] } END { print length(c) }')
		;;
	esac
	down
	echo "the kernel activates the state ($status); chunks that are not the frozen ones: $result"
}

# The device before the first entry: an origin, and a blank store behind it.
truncate -s 24M base.img
dd if=/dev/urandom of=base.img bs=1M count=8 conv=notrunc status=none

case $finding in
invalidation)
	store=336 # 40 chunks of data
	copy base.img "$device" oflag=direct
	head -c 8M base.img >frozen.img
	record "$device" $store
	overwrite /dev/mapper/origin 0 45
	entries
	cp base.img state.img
	flushed 999999 >kept
	put <kept
	# Of what no flush covers: FUA writes, and the last write to the origin.
	awk 'NR == FNR { n = $1; next } $1 > n && int($4 / 2) % 2' kept entries | put
	awk -v o=$origin '$3 > 0 && $4 < 4 && $2 < o { last = $0 } END { print last }' entries | put
	judge $store
	;;
creation)
	store=32768
	# An older store: 20 exceptions. Its first chunk is zeroed, as LVM does it.
	copy base.img "$device" oflag=direct
	record "$device" $store
	overwrite /dev/mapper/origin 100 20
	down
	dd if=/dev/zero of="$device" bs=512 seek=$origin count=$chunk oflag=direct conv=fsync status=none
	dd if=/dev/urandom of="$device" bs=1M count=8 oflag=direct conv=fsync status=none
	copy "$device" base.img iflag=direct
	head -c 8M base.img >frozen.img
	record "$device" $store
	entries
	cp base.img state.img
	# The header is durable, and so is what a flush before it covers.
	header=$(awk -v o=$origin '$2 == o && $3 > 0 { print $1; exit }' entries)
	flushed "$header" | put
	awk -v n="$header" '$1 == n' entries | put
	judge $store
	;;
torn)
	store=32768
	copy base.img "$device" oflag=direct
	head -c 8M base.img >frozen.img
	# The copy of exception 20 is late: the later ones are committed with it.
	at=$((origin + 22 * chunk))
	cat >slow.table <<-END
		0 176 linear /dev/mapper/lw $origin
		176 8 delay /dev/mapper/lw $at 0 /dev/mapper/lw $at 2000 /dev/mapper/lw $at 0
		184 $((store - 184)) linear /dev/mapper/lw $((at + 8))
	END
	record "$device" $store
	overwrite /dev/mapper/origin 0 20
	dd if=/dev/urandom of=/dev/mapper/origin bs=400k count=1 seek=80k oflag=direct,seek_bytes conv=notrunc status=none
	entries
	rm slow.table
	# The first crash tears the last commit: only its second block is durable.
	cp base.img state.img
	area=$((origin + chunk))
	commit=$(awk -v a=$area '$2 == a && int($4 / 2) % 2 { last = $1 } END { print last }' entries)
	flushed "$commit" | put
	awk -v n="$commit" '$1 == n { print $1, $2 + 1, 1, 0, $5 + 1 }' entries | put
	judge $store
	# The kernel goes on with it: 12 writes fill the first block. One more write needs
	# the chunk that the first record of the second block names; the second crash comes
	# before its commit.
	copy state.img "$replay" oflag=direct
	record "$replay" $store
	overwrite /dev/mapper/origin 1000 13
	entries
	commit=$(awk -v a=$area '$2 == a && int($4 / 2) % 2 { last = $1 } END { print last }' entries)
	flushed "$commit" | put
	judge $store
	;;
*) echo "no finding $finding" >&2; exit 64 ;;
esac

case $result in
Invalid | 0) echo "$finding: not reproduced"; exit 1 ;;
*) echo "$finding: reproduced" ;;
esac

#!/bin/sh
# Builds the module and image fixtures of this directory from target.c, with
# Debian 12's cross compilers:
#
#   apt-get install gcc-12 gcc-12-aarch64-linux-gnu gcc-12-arm-linux-gnueabihf \
#       gcc-12-mips-linux-gnu gcc-12-mips64el-linux-gnuabi64 \
#       gcc-12-powerpc64-linux-gnu gcc-12-riscv64-linux-gnu gcc-12-s390x-linux-gnu
#
# What each file must be judged as stands in dmctl/gate/kmod/fixture_test.go.
set -eu
cd "$(dirname "$0")"
flags='-O2 -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-ident -fno-pic -no-pie'

# module FILE COMPILER VERSION [FLAGS...]
module() {
	file=$1 compiler=$2 version=$3
	shift 3
	$compiler $flags "-DVERSION=$version" "$@" -c -o "$file" target.c
}

module amd64.ko          x86_64-linux-gnu-gcc-12          1,16,0 -DFEATURES
module amd64-leaky.ko    x86_64-linux-gnu-gcc-12          1,11,1 -DFEATURES
module amd64-ancient.ko  x86_64-linux-gnu-gcc-12          1,9,0
module amd64-none.ko     x86_64-linux-gnu-gcc-12          0,0,0  -DFEATURES -DNO_TARGET
module amd64-twice.ko    x86_64-linux-gnu-gcc-12          1,16,0 -DFEATURES -DTWICE
module 386.ko            'x86_64-linux-gnu-gcc-12 -m32'   1,15,0 -DFEATURES
module 386-ancient.ko    'x86_64-linux-gnu-gcc-12 -m32'   1,10,1
module arm64.ko          aarch64-linux-gnu-gcc-12         1,14,0 -DFEATURES
module arm.ko            arm-linux-gnueabihf-gcc-12       1,13,0 -DFEATURES
module mips.ko           mips-linux-gnu-gcc-12            1,12,0 -DFEATURES -mno-abicalls
module mips64el.ko       mips64el-linux-gnuabi64-gcc-12   1,10,2 -DFEATURES -mno-abicalls
module ppc64.ko          'powerpc64-linux-gnu-gcc-12 -mabi=elfv1'  1,11,0 -DFEATURES
module riscv64.ko        riscv64-linux-gnu-gcc-12         1,15,1 -DFEATURES
module s390x.ko          s390x-linux-gnu-gcc-12           1,12,1 -DFEATURES

# Stripped of every symbol that no relocation refers to.
for f in amd64 386; do
	x86_64-linux-gnu-strip --strip-unneeded -o $f-stripped.ko $f.ko
done

for f in amd64-leaky.ko; do
	gzip -9nkf $f
	xz -kf --check=crc32 --lzma2=dict=1MiB $f
	zstd -qkf -19 $f
done

# image FILE COMPILER MAGIC VERSION ADDRESS [FLAGS...]
image() {
	file=$1 compiler=$2 magic=$3 version=$4 address=$5
	shift 5
	$compiler $flags -DBUILTIN -DFEATURES "-DMAGIC=\"$magic\"" "-DVERSION=$version" -c -o image.o target.c "$@"
	printf 'SECTIONS { . = %s; .text : { *(.head) *(.text*) } .rodata : { *(.rodata*) } .data : { *(.data*) } .rela.dyn : { *(.rela*) } .bss : { *(.bss*) } /DISCARD/ : { *(.note*) *(.comment) *(.eh_frame) } }' "$address" >image.lds
}

# A kernel at a fixed address, as an ELF file (vmlinux) and as the bytes in
# memory (what arm puts behind its decompressor).
image vmlinux x86_64-linux-gnu-gcc-12 '' 1,16,0 0xffffffff81000000 -mcmodel=kernel
x86_64-linux-gnu-ld -n -e _start -T image.lds -o vmlinux-amd64 image.o
x86_64-linux-gnu-strip vmlinux-amd64

image image arm-linux-gnueabihf-gcc-12 '' 1,11,2 0xc0008000
arm-linux-gnueabihf-ld -n -e _start -T image.lds -o image.elf image.o
arm-linux-gnueabihf-objcopy -O binary image.elf Image-arm

image vmlinux s390x-linux-gnu-gcc-12 '' 1,14,2 0x100000
s390x-linux-gnu-ld -n -e _start -T image.lds -o vmlinux-s390x image.o
s390x-linux-gnu-strip vmlinux-s390x

# A kernel that relocates itself: the pointers stand in its relocations only.
image Image aarch64-linux-gnu-gcc-12 'ARMd' 1,15,0 0xffff800080000000 -fPIE -mcmodel=small
aarch64-linux-gnu-ld -n -pie --no-dynamic-linker --no-apply-dynamic-relocs -e _start -T image.lds -o vmlinux-arm64 image.o
aarch64-linux-gnu-objcopy -O binary vmlinux-arm64 Image-arm64
aarch64-linux-gnu-strip vmlinux-arm64

bzip2 -9kf vmlinux-amd64

# Packed as scripts/xz_wrap.sh of the kernel does, behind the filters for the
# machine code of x86 and arm64.
xz -kf --check=crc32 --x86 --lzma2=dict=128MiB vmlinux-amd64
xz -kf --check=crc32 --arm64 --lzma2=dict=128MiB Image-arm64

rm -f image.o image.lds image.elf

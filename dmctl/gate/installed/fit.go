package installed

// Whether a module belongs to the kernel in whose directory it lies. One that
// was left over, or copied there by mistake, would not be loaded.

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// fits returns why a module is not the kernel's, or nil if it may be.
func (t *system) fits(m kmod.Module, release string) error {
	if m.Release != "" && m.Release != release {
		return fmt.Errorf("it was built for kernel %s and not for this one", m.Release)
	}
	if machines := t.machinesOf(release); len(machines) > 0 && !slices.Contains(machines, m.Machine) {
		return fmt.Errorf("it was built for another machine: %v, and the kernel is for %v", m.Machine, machines[0])
	}
	return nil
}

// machineNames are suffixes of the releases of distributions' kernels.
var machineNames = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "x86_64": elf.EM_X86_64,
	"686": elf.EM_386, "686-pae": elf.EM_386, "i386": elf.EM_386, "i586": elf.EM_386, "i686": elf.EM_386,
	"arm64": elf.EM_AARCH64, "aarch64": elf.EM_AARCH64,
	"armmp": elf.EM_ARM, "armmp-lpae": elf.EM_ARM, "armv7l": elf.EM_ARM, "armv7hl": elf.EM_ARM,
	"powerpc64le": elf.EM_PPC64, "ppc64le": elf.EM_PPC64, "ppc64": elf.EM_PPC64,
	"s390x": elf.EM_S390, "riscv64": elf.EM_RISCV, "loong64": elf.EM_LOONGARCH, "loongarch64": elf.EM_LOONGARCH,
}

// machinesOf returns the machines that a kernel may be for, judged by its
// image, its name or another of its modules; nil if not known.
func (t *system) machinesOf(release string) []elf.Machine {
	for _, file := range imagesOf(release) {
		if machines := t.machinesInHeader(file); machines != nil {
			return machines
		}
	}
	for name, machine := range machineNames {
		if strings.HasSuffix(release, "-"+name) || strings.HasSuffix(release, "."+name) {
			return []elf.Machine{machine}
		}
	}
	for _, dir := range t.directoriesOf(release) {
		index, err := t.Read(path.Join(dir, "modules.dep"))
		if err != nil {
			continue
		}
		for _, name := range []string{"dm-mod.ko", "dm-bufio.ko", "ext4.ko", "loop.ko"} {
			if machine, ok := t.machineOfModule(path.Join(dir, moduleLine(index, ":", name))); ok {
				return []elf.Machine{machine}
			}
		}
	}
	return nil
}

func (t *system) machineOfModule(file string) (elf.Machine, bool) {
	if !strings.Contains(path.Base(file), ".ko") {
		return elf.EM_NONE, false
	}
	f, err := t.Open(file)
	if err != nil {
		return elf.EM_NONE, false
	}
	defer func() { _ = f.Close() }()
	machine, err := kmod.MachineOf(f)
	return machine, err == nil
}

// machinesInHeader judges by the first bytes of kernel images
// (Documentation/arch/x86/boot.rst and Documentation/arch/arm64/booting.rst of
// the kernel; the magic number of zImage). 64-bit x86 kernels say so since 3.8;
// older ones may be either.
func (t *system) machinesInHeader(file string) []elf.Machine {
	const x86, x86Version, x86Flags, armMagic, arm64Magic, size = 0x202, 0x206, 0x236, 0x24, 0x38, 0x250
	f, err := t.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil
	}
	switch {
	case string(b[x86:x86+4]) == "HdrS":
		if b[x86Flags]&1 != 0 {
			return []elf.Machine{elf.EM_X86_64}
		}
		return []elf.Machine{elf.EM_386, elf.EM_X86_64}
	case string(b[arm64Magic:arm64Magic+4]) == "ARM\x64":
		return []elf.Machine{elf.EM_AARCH64}
	case binary.LittleEndian.Uint32(b[armMagic:]) == 0x016f2818:
		return []elf.Machine{elf.EM_ARM}
	}
	return nil
}

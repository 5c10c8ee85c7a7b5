package boot

// EFI firmware: the program that it starts, by the variables BootNext and
// BootOrder (UEFI specification, "Boot Manager"). This may be a kernel itself,
// or show which of several boot loaders is in use.

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf16"
)

// efiGlobal is where the kernel shows the variables of the firmware itself.
const efiGlobal = "sys/firmware/efi/efivars/%s-8be4df61-93ca-11d2-aa0d-00e098032b8c"

const (
	nameGRUB        = "GRUB"
	nameSystemdBoot = "systemd-boot"
)

// firmwareChoice returns the kernel that the firmware starts itself. If the
// firmware starts a boot loader with a known name, it returns that name: only
// that loader counts. The name is "" if it is not known.
func (t *system) firmwareChoice() (c choice, only string, ok bool) {
	number, which, found := t.bootNumber()
	if !found {
		return choice{}, "", false
	}
	file, found := t.bootFile(number)
	if !found {
		return choice{}, "", false
	}
	name := strings.ToLower(path.Base(file))
	switch {
	case strings.HasPrefix(name, "systemd-boot"):
		return choice{}, nameSystemdBoot, false
	case strings.HasPrefix(name, "grub"):
		return choice{}, nameGRUB, false
	case strings.HasPrefix(name, "refind"):
		return choice{}, nameREFInd, false
	case strings.HasPrefix(name, "shim") || removable[name] || strings.HasPrefix(name, "syslinux") || strings.HasPrefix(name, "limine"):
		return choice{}, "", false // the files say what these start
	}
	why := fmt.Sprintf("the firmware starts %s (%s, Boot%04X)", file, which, number)
	// A unified kernel image has the initramfs in it.
	return t.choiceOf(entry{title: file, file: file, initrds: []string{file}}, why), "", true
}

// removable are the names of programs that start from a disk by default. They
// may be anything.
var removable = map[string]bool{
	"bootx64.efi": true, "bootia32.efi": true, "bootaa64.efi": true, "bootarm.efi": true, "bootriscv64.efi": true, "bootloongarch64.efi": true,
}

// bootNumber returns the number of the boot option that is tried first.
func (t *system) bootNumber() (number uint16, which string, ok bool) {
	for _, name := range []string{"BootNext", "BootOrder"} {
		value := t.firmwareVariable(name)
		for ; len(value) >= 2; value = value[2:] {
			number = binary.LittleEndian.Uint16(value)
			if option := t.firmwareVariable(fmt.Sprintf("Boot%04X", number)); isActive(option) {
				return number, name, true
			}
		}
	}
	return 0, "", false
}

func isActive(option []byte) bool { return len(option) >= 4 && option[0]&1 != 0 }

// firmwareVariable returns the value of a variable without its attributes.
func (t *system) firmwareVariable(name string) []byte {
	const attributes = 4
	value, err := t.ReadAtMost(fmt.Sprintf(efiGlobal, name), maxEntryText)
	if err != nil || len(value) < attributes {
		return nil
	}
	return []byte(value[attributes:])
}

// bootFile returns the file that a boot option starts, as a path with slashes.
// It is not ok for an option that starts something else (the network, a whole
// disk).
//
// An option has attributes (u32), the length of its device path (u16), a title,
// and the device path: nodes with a type, a subtype and a length (UEFI
// specification, EFI_LOAD_OPTION and EFI_DEVICE_PATH_PROTOCOL).
func (t *system) bootFile(number uint16) (file string, ok bool) {
	const head, media, fileNode, endNode = 6, 4, 4, 0x7f
	option := t.firmwareVariable(fmt.Sprintf("Boot%04X", number))
	if len(option) < head {
		return "", false
	}
	length := int(binary.LittleEndian.Uint16(option[4:]))
	rest := option[head:]
	for len(rest) >= 2 && (rest[0] != 0 || rest[1] != 0) { // the title
		rest = rest[2:]
	}
	if len(rest) < 2+length {
		return "", false
	}
	for nodes := rest[2:][:length]; len(nodes) >= 4; {
		size := int(binary.LittleEndian.Uint16(nodes[2:]))
		if size < 4 || size > len(nodes) || nodes[0] == endNode {
			break
		}
		if nodes[0] == media && nodes[1] == fileNode {
			file += utf16Text(nodes[4:size])
		}
		nodes = nodes[size:]
	}
	file = path.Clean("/" + strings.ReplaceAll(file, `\`, "/"))
	return t.anyCase(file), file != "/"
}

// anyCase returns a file name as it is on the partition, where upper and lower
// case are the same.
func (t *system) anyCase(file string) string {
	for _, dir := range espDirectories {
		found := dir
		for part := range strings.SplitSeq(strings.Trim(file, "/"), "/") {
			entries, err := t.List(found)
			if err != nil {
				break
			}
			i := indexFold(entries, part)
			if i < 0 {
				found = ""
				break
			}
			found = path.Join(found, entries[i].Name())
		}
		if found != "" && found != dir {
			return strings.TrimPrefix(found, dir)
		}
	}
	return file
}

func indexFold(entries []fs.DirEntry, name string) int {
	for i, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			return i
		}
	}
	return -1
}

// utf16Text decodes little-endian UTF-16, up to a zero.
func utf16Text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

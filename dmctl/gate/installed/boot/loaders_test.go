package boot

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
)

// efiOption is the content of a variable for a boot option: a file on a
// partition, or the network for "".
func efiOption(file string, active bool) string {
	attributes := byte(0)
	if active {
		attributes = 1
	}
	node := func(kind, sub byte, data []byte) []byte {
		return append(binary.LittleEndian.AppendUint16([]byte{kind, sub}, uint16(4+len(data))), data...)
	}
	text := func(s string) (b []byte) {
		for _, u := range utf16.Encode([]rune(s + "\x00")) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return b
	}
	nodes := node(3, 11, make([]byte, 33))
	if file != "" {
		nodes = append(node(4, 1, make([]byte, 38)), node(4, 4, text(file))...)
	}
	nodes = append(nodes, node(0x7f, 0xff, nil)...)
	option := append([]byte{7, 0, 0, 0, attributes, 0, 0, 0}, binary.LittleEndian.AppendUint16(nil, uint16(len(nodes)))...)
	return string(option) + string(text("an option")) + string(nodes) + "root=/dev/sda2"
}

// efiFiles are the variables of a machine whose boot options are these files,
// in order.
func efiFiles(next int, files ...string) (more []string) {
	order := "\x07\x00\x00\x00"
	for i, file := range files {
		more = append(more, fmt.Sprintf(efiGlobal, fmt.Sprintf("Boot%04X", i)), efiOption(file, file != "off"))
		order += string(binary.LittleEndian.AppendUint16(nil, uint16(i)))
	}
	if next >= 0 {
		more = append(more, fmt.Sprintf(efiGlobal, "BootNext"), "\x07\x00\x00\x00"+string(binary.LittleEndian.AppendUint16(nil, uint16(next))))
	}
	return append(more, fmt.Sprintf(efiGlobal, "BootOrder"), order)
}

const (
	extlinuxText = `# made by a tool
default l1
menu title A menu
prompt 0
timeout 50
label l0
	menu label New
	linux /boot/vmlinuz-` + newRelease + `
	append initrd=/boot/initrd.img-` + newRelease + ` root=/dev/sda1
LABEL l1
	MENU LABEL Old
	KERNEL ../vmlinuz-` + oldRelease + `
	INITRD ../initrd.img-` + oldRelease + `
`
	ziplText = `[defaultboot]
default = old
[new]
	target=/boot
	image=/boot/vmlinuz-` + newRelease + `
[old]
	target=/boot
	image="/boot/vmlinuz-` + oldRelease + `"
	ramdisk=/boot/initrd-` + oldRelease + `,0x2000000
`
)

// What boot loaders other than GRUB and systemd-boot choose.
func TestLoaders(t *testing.T) {
	const none = ""
	machine := func(more ...string) map[string]string { return treetest.With(debian, more...) }
	withLink := func(more ...string) map[string]string {
		return treetest.With(machine(more...), "vmlinuz", "-> boot/vmlinuz-"+newRelease)
	}
	efi := func(next int, files []string, more ...string) map[string]string {
		return machine(append(efiFiles(next, files...), more...)...)
	}
	kexec := func(settings string, more ...string) map[string]string {
		return treetest.With(withLink(more...), "sbin/kexec", "x", "etc/default/kexec", "# Defaults\n"+settings)
	}
	grubOld := []string{"boot/grub/grub.cfg", grubConfig("1>1")}
	spec := []string{"boot/loader/loader.conf", "default new*\n",
		"boot/loader/entries/new.conf", "version " + newRelease + "\nlinux /x\n"}
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
		rests Evidence
		why   string
	}{
		{"nothing", machine(), newRelease, Guessed, "newest by version"},
		{"a link", withLink(), newRelease, Inferred, "/vmlinuz"},
		{"settings of GRUB", machine("boot/grub/x", "x", "etc/default/grub", "GRUB_DEFAULT=0\n"), newRelease, Inferred, "GRUB_DEFAULT"},

		{"extlinux", machine("boot/extlinux/extlinux.conf", extlinuxText), oldRelease, Configured, `is "l1"`},
		{"extlinux beside a link", withLink("boot/extlinux/extlinux.conf", extlinuxText), oldRelease, Configured, `is "l1"`},
		{"syslinux", machine("boot/syslinux/syslinux.cfg", extlinuxText), oldRelease, Configured, `is "l1"`},
		{"extlinux, on timeout", machine("boot/extlinux/extlinux.conf", strings.Replace(extlinuxText, "default l1", "default l0\nontimeout L1", 1)), oldRelease, Configured, "on timeout"},
		{"extlinux, no default", machine("boot/extlinux/extlinux.conf", strings.Replace(extlinuxText, "default l1", "", 1)), newRelease, Configured, "first label"},
		{"extlinux, a menu's default", machine("boot/extlinux.conf", "DEFAULT menu.c32\nLABEL a\n LINUX vmlinuz-"+newRelease+"\nLABEL b\n MENU DEFAULT\n LINUX vmlinuz-"+oldRelease+"\n"), oldRelease, Configured, "default of the menu"},
		{"extlinux, a menu without a default", machine("boot/extlinux.conf", "UI menu.c32\nLABEL a\n LINUX vmlinuz-"+oldRelease+"\nLABEL b\n LINUX vmlinuz-"+newRelease+"\n"), oldRelease, Configured, "first label"},
		{"extlinux, two defaults", machine("boot/extlinux.conf", "DEFAULT a\nLABEL a\n LINUX vmlinuz-"+newRelease+"\nLABEL b\n MENU DEFAULT\n LINUX vmlinuz-"+oldRelease+"\n"), none, None, "two defaults"},
		{"extlinux, a command line", machine("boot/extlinux.conf", "DEFAULT vmlinuz-"+oldRelease+" ro\n"), oldRelease, Configured, "default"},
		{"extlinux, included", machine("boot/extlinux/extlinux.conf", "default l0\ninclude linux.cfg\n", "boot/extlinux/linux.cfg", "label l0\n kernel /boot/vmlinuz-"+oldRelease+"\n"), oldRelease, Configured, `is "l0"`},
		{"extlinux, included and gone", machine("boot/extlinux/extlinux.conf", extlinuxText+"include theme.cfg\n"), none, None, "theme.cfg"},
		{"extlinux, included in itself", machine("boot/extlinux/extlinux.conf", "include extlinux.conf\n"), none, None, "more than"},
		{"extlinux, another program", machine("boot/extlinux/extlinux.conf", "default a\nlabel a\n localboot 0\n"), none, None, "cannot be told what that loads"},
		{"extlinux, a label that is gone", machine("boot/extlinux/extlinux.conf", "default x\nlabel a\n linux /vmlinuz-"+newRelease+"\n"), none, None, `no label "x"`},
		{"extlinux and syslinux", machine("boot/extlinux/extlinux.conf", extlinuxText, "boot/syslinux/syslinux.cfg", strings.Replace(extlinuxText, "l1", "l0", 1)), none, None, "disagree"},

		{"zipl", machine("etc/zipl.conf", ziplText), oldRelease, Configured, `the default of /etc/zipl.conf is "old"`},
		{"zipl, a menu", machine("etc/zipl.conf", strings.Replace(ziplText, "default = old", "defaultmenu = m", 1)+":m\n1=new\n2=old\ndefault=2\n"), oldRelease, Configured, `"old"`},
		{"zipl, by itself", machine("etc/zipl.conf", strings.Replace(ziplText, "default = old", "defaultauto\ntarget=/boot", 1)), newRelease, Configured, `"new"`},
		{"zipl, entries", machine("etc/zipl.conf", "[defaultboot]\ndefaultauto\ntarget=/boot\n", "boot/loader/entries/a-"+oldRelease+".conf", "title Old\nversion "+oldRelease+"\n"), oldRelease, Configured, ""},
		{"zipl, a dump", machine("etc/zipl.conf", "[defaultboot]\ndefault=d\n[d]\ndumpto=/dev/dasdb1\n"), none, None, "no kernel's image"},

		{"raspberry", machine("boot/firmware/config.txt", "# x\nkernel=vmlinuz\n[pi4]\nkernel=vmlinuz-"+newRelease+"\n[all]\nkernel=vmlinuz-"+oldRelease+"\n"), oldRelease, Configured, "kernel=vmlinuz-" + oldRelease},
		{"raspberry, by model", machine("boot/config.txt", "kernel=vmlinuz-"+oldRelease+"\n[pi5]\nkernel=vmlinuz-"+newRelease+"\n"), none, None, "depends on the model"},
		{"raspberry, for none", machine("boot/config.txt", "kernel=vmlinuz-"+oldRelease+"\n[none]\nkernel=x\n"), oldRelease, Configured, "config.txt"},
		{"raspberry, by its prefix", machine("boot/firmware/config.txt", "os_prefix=current/\nkernel=vmlinuz\n", "boot/firmware/current/vmlinuz", "Linux version "+oldRelease+" (x@y) #1"), oldRelease, Configured, "config.txt"},
		{"raspberry, the default", machine("boot/firmware/config.txt", "arm_64bit=1\n", "boot/firmware/kernel8.img", "Linux version "+oldRelease+" (x@y) #1", "boot/firmware/kernel7.img", "Linux version 5.0 (x@y)"), oldRelease, Configured, "kernel8.img"},
		{"raspberry, several defaults", machine("boot/firmware/config.txt", "", "boot/firmware/config.txt", "x=1", "boot/firmware/kernel8.img", "Linux version "+oldRelease+" (x@y) #1", "boot/firmware/kernel7.img", "Linux version "+newRelease+" (x@y)"), none, None, "disagree"},
		{"raspberry, an image that names nothing", machine("boot/config.txt", "kernel=k.img\n", "boot/k.img", "scrambled"), none, None, "cannot be told which kernel"},
		{"raspberry, included", machine("boot/firmware/config.txt", "kernel=vmlinuz\ninclude usercfg.txt\n", "boot/firmware/usercfg.txt", "kernel=vmlinuz-"+oldRelease+"\n"), oldRelease, Configured, "config.txt"},
		{"raspberry, another partition", machine("boot/firmware/config.txt", "kernel=vmlinuz-"+oldRelease+"\n", "boot/firmware/autoboot.txt", "[all]\nboot_partition=2\n"), none, None, "autoboot.txt"},

		{"proxmox", machine("etc/kernel/proxmox-boot-pin", oldRelease+"\n", "etc/kernel/proxmox-boot-uuids", "AB-CD\n"), oldRelease, Configured, "pinned"},
		{"proxmox, once", machine("etc/kernel/proxmox-boot-pin", newRelease+"\n", "etc/kernel/next-boot-pin", oldRelease+"\n"), oldRelease, Configured, "next boot"},
		{"proxmox, gone", machine("etc/kernel/proxmox-boot-pin", "5.15.1-pve\n"), none, Configured, "none of the installed"},
		{"proxmox, not pinned", machine("etc/kernel/proxmox-boot-uuids", "AB-CD\n"), none, None, "not mounted"},
		{"proxmox, another menu", machine("etc/kernel/proxmox-boot-pin", oldRelease+"\n", "boot/grub/grub.cfg", grubConfig("0")), none, None, "disagree"},

		{"rEFInd", machine("boot/refind_linux.conf", "\"Boot\" \"root=/dev/sda1\"\n"), none, None, "rEFInd"},
		{"rEFInd beside a link", withLink("boot/efi/EFI/refind/refind.conf", "default_selection 2\n"), none, None, "rEFInd"},
		{"lilo", machine("etc/lilo.conf", "default=old\n"), none, None, "lilo"},
		{"lilo beside a link", withLink("etc/lilo.conf", "default=old\n"), none, None, "lilo"},
		{"Xen without GRUB", withLink("boot/efi/EFI/xen/xen.cfg", "[x]\nkernel=vmlinuz\n"), none, None, "Xen"},
		{"ZFSBootMenu", withLink("boot/efi/EFI/ZBM/vmlinuz.EFI", "MZ"), none, None, "ZFSBootMenu"},
		{"Limine", machine("boot/limine.conf", "/Linux\n"), none, None, "Limine"},
		{"flash-kernel beside a link", withLink("usr/sbin/flash-kernel", "x"), none, None, "flash-kernel"},
		{"flash-kernel on a Raspberry Pi", withLink("usr/sbin/flash-kernel", "x", "boot/firmware/config.txt", "kernel=vmlinuz-"+oldRelease), oldRelease, Configured, "config.txt"},
		{"palo beside a link", withLink("etc/palo.conf", "--commandline=2/vmlinuz\n"), none, None, "palo"},
		{"U-Boot's script", machine("boot/boot.scr", "x"), none, None, "U-Boot"},
		{"GRUB of the old kind", machine("boot/grub/menu.lst", "default 1\n"), none, None, "GRUB of the old kind"},
		{"GRUB of the old kind, left over", machine("boot/grub/menu.lst", "default 0\n", "boot/grub/grub.cfg", grubConfig("1>1")), oldRelease, Configured, "GRUB's default"},

		{"EFI stub", efi(-1, []string{`\vmlinuz-` + oldRelease, `\EFI\debian\shimx64.efi`}), oldRelease, Configured, "Boot0000"},
		{"EFI stub, once", efi(1, []string{`\vmlinuz-` + newRelease, `\vmlinuz-` + oldRelease}), oldRelease, Configured, "BootNext"},
		{"EFI stub behind what is no file", efi(-1, []string{"", "off", `\EFI\Linux\vmlinuz-` + oldRelease}), none, Guessed, ""},
		{"EFI stub behind an option that is off", efi(-1, []string{"off", `\vmlinuz-` + oldRelease}), oldRelease, Configured, "Boot0001"},
		{"EFI stub, in another case", efi(-1, []string{`\efi\gentoo\BZIMAGE.EFI`}, "boot/efi/EFI/Gentoo/bzImage.efi", x86Image(oldRelease)), oldRelease, Configured, "bzImage.efi"},
		{"EFI stub beside a menu", efi(-1, []string{`\vmlinuz-` + newRelease}, grubOld...), newRelease, Configured, "firmware"},
		{"another system", efi(-1, []string{`\EFI\Microsoft\Boot\bootmgfw.efi`}, grubOld...), none, None, "is not here"},
		{"rEFInd by the firmware", efi(-1, []string{`\EFI\refind\refind_x64.efi`}, append(grubOld, "boot/efi/EFI/refind/refind.conf", "x")...), none, None, "rEFInd"},

		{"GRUB and systemd-boot", machine(append(grubOld, spec...)...), none, None, "disagree"},
		{"GRUB and systemd-boot of one mind", machine(append([]string{"boot/grub/grub.cfg", grubConfig("0")}, spec...)...), newRelease, Configured, "GRUB"},
		{"GRUB by the firmware", efi(-1, []string{`\EFI\debian\grubx64.efi`}, append(grubOld, spec...)...), oldRelease, Configured, "GRUB"},
		{"systemd-boot by the firmware", efi(-1, []string{`\EFI\systemd\systemd-bootx64.efi`}, append(grubOld, spec...)...), newRelease, Configured, "systemd-boot"},
		{"GRUB and what is not understood", machine(append(grubOld, "etc/lilo.conf", "x")...), none, None, "lilo"},

		{"kexec, of the same mind", kexec("LOAD_KEXEC=true\nKERNEL_IMAGE=\"/vmlinuz\"\n"), newRelease, Inferred, "/vmlinuz"},
		{"kexec, another kernel than the link's", kexec("LOAD_KEXEC=true # fast\nKERNEL_IMAGE=/boot/vmlinuz-" + oldRelease + "\n"), none, None, "a reboot and a cold start disagree"},
		{"kexec, another kernel than GRUB's", kexec("LOAD_KEXEC=true\nKERNEL_IMAGE='/vmlinuz'\n", grubOld...), none, None, "a reboot and a cold start disagree"},
		{"kexec, GRUB's kernel", kexec("LOAD_KEXEC=true\nKERNEL_IMAGE=/boot/vmlinuz-"+oldRelease+"\n", grubOld...), oldRelease, Configured, "GRUB"},
		{"kexec, by GRUB's menu", kexec("LOAD_KEXEC=true\nKERNEL_IMAGE=/vmlinuz\nUSE_GRUB_CONFIG=true\n", grubOld...), none, None, "GRUB's menu"},
		{"kexec, a link to nowhere", kexec("LOAD_KEXEC=true\nKERNEL_IMAGE=/boot/vmlinuz\n"), none, None, "is not here"},
		{"kexec, of two links", kexec("LOAD_KEXEC=true\nKERNEL_IMAGE=/vmlinuz\n", "boot/vmlinuz", "-> vmlinuz-"+oldRelease), newRelease, Inferred, "/vmlinuz"},
		{"kexec, off", kexec("LOAD_KEXEC=false\nKERNEL_IMAGE=/boot/vmlinuz-" + oldRelease + "\n"), newRelease, Inferred, "/vmlinuz"},
		{"kexec, on in a further file", kexec("LOAD_KEXEC=false\nKERNEL_IMAGE=/vmlinuz\n", "etc/default/kexec.d/on", "export LOAD_KEXEC=true\nKERNEL_IMAGE=/boot/vmlinuz-"+oldRelease), none, None, "disagree"},
		{"kexec, on or off", kexec("LOAD_KEXEC=$MAYBE\n"), none, None, "$MAYBE"},
		{"kexec, left over", withLink("etc/default/kexec", "LOAD_KEXEC=true\nKERNEL_IMAGE=/boot/vmlinuz-"+oldRelease+"\n"), newRelease, Inferred, "/vmlinuz"},
		{"kexec, too much of it", kexec("LOAD_KEXEC=false\n" + strings.Repeat("#\n", maxEntryText)), none, None, "kexec cannot be told"},
		{"kexec, a kernel that is loaded already", withLink("sys/kernel/kexec_loaded", "1\n"), none, None, "loaded with kexec"},
		{"kexec, nothing loaded", withLink("sys/kernel/kexec_loaded", "0\n"), newRelease, Inferred, "/vmlinuz"},

		{"/boot is not mounted", map[string]string{"boot/efi/.keep": "", "etc/fstab": "UUID=1 / ext4 defaults 0 1\nUUID=2\t/boot\text4 defaults 0 2\n"}, none, None, "not mounted"},
		{"/boot is not mounted, beside a link", map[string]string{"boot": "", "vmlinuz": "-> boot/vmlinuz-" + newRelease, "etc/fstab": "UUID=2 /boot ext4 defaults 0 2\n"}, none, None, "not mounted"},
		{"/boot is mounted", withLink("etc/fstab", "UUID=2 /boot ext4 defaults 0 2\n"), newRelease, Inferred, "/vmlinuz"},
		{"the ESP is not mounted", withLink("etc/fstab", "# UUID=1 /efi vfat\nUUID=2 /efi vfat defaults 0 2\n"), none, None, "/efi"},
	} {
		if test.name == "/boot is not mounted" {
			delete(test.files, "boot/efi/.keep")
		}
		next := Find(treetest.System(t, test.files), []string{newRelease, oldRelease})
		if test.rests == Guessed && test.want == none {
			test.want = newRelease
		}
		if next.Release != test.want || next.Evidence != test.rests {
			t.Errorf("%s: %q boots next, %q (%s); want %q, %q", test.name, next.Release, next.Evidence, next.Why, test.want, test.rests)
		}
		if !strings.Contains(next.Why, test.why) {
			t.Errorf("%s: the reason %q says not %q", test.name, next.Why, test.why)
		}
	}
}

// The files of the initramfs that the loader names are in the answer.
func TestInitrds(t *testing.T) {
	const initrd = "boot/initrd.img-" + oldRelease
	for name, files := range map[string]map[string]string{
		"extlinux": treetest.With(debian, "boot/extlinux/extlinux.conf", extlinuxText),
		"grub": treetest.With(debian, "boot/grub/grub.cfg",
			"menuentry x { linux /vmlinuz-"+oldRelease+"\n initrd /early /initrd.img-"+oldRelease+"\n}"),
		"entries": treetest.With(debian, "boot/loader/loader.conf", "#",
			"boot/loader/entries/a.conf", "version "+oldRelease+"\nlinux /x\ninitrd /initrd.img-"+oldRelease+"\n"),
	} {
		next := Find(treetest.System(t, treetest.With(files, initrd, "x")), []string{newRelease, oldRelease})
		if len(next.Initrds) != 1 || next.Initrds[0] != initrd {
			t.Errorf("%s: %q, want %q", name, next.Initrds, initrd)
		}
	}
}

// Configurations and variables with any content: no panic, and an existing
// release or none.
func FuzzLoaders(f *testing.F) {
	f.Add(extlinuxText, "boot/extlinux/extlinux.conf")
	f.Add(ziplText, "etc/zipl.conf")
	f.Add("kernel=a\n[pi4]\ninclude config.txt\n", "boot/config.txt")
	f.Add(efiOption(`\vmlinuz`, true), fmt.Sprintf(efiGlobal, "Boot0000"))
	f.Add("\x07\x00\x00\x00\x00\x00", fmt.Sprintf(efiGlobal, "BootOrder"))
	f.Add("LOAD_KEXEC=true\nKERNEL_IMAGE='\n=", "etc/default/kexec")
	places := []string{"boot/extlinux/extlinux.conf", "etc/default/kexec", "etc/zipl.conf", "boot/config.txt", fmt.Sprintf(efiGlobal, "Boot0000")}
	f.Fuzz(func(t *testing.T, text, place string) {
		files := treetest.With(treetest.With(debian, "sbin/kexec", "x"), efiFiles(-1, `\x`)...)
		for _, p := range places {
			if p == place {
				files[p] = text + " "
			}
		}
		for name, content := range files { // what treetest replaces is not wanted here
			if name == place && (strings.HasPrefix(content, "-> ") || strings.HasPrefix(content, "@")) {
				return
			}
		}
		next := Find(treetest.System(t, files), []string{newRelease, oldRelease})
		if next.Release != "" && next.Release != newRelease && next.Release != oldRelease {
			t.Fatalf("%q boots next", next.Release)
		}
	})
}

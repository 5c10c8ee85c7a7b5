package boot

import (
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree/treetest"
)

// fedoraMenu is a menu with entries of the Boot Loader Specification, laid out as
// Fedora's.
const fedoraMenu = `set pager=1
if [ -f ${config_directory}/grubenv ]; then
  load_env -f ${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
insmod part_gpt
set root='hd0,gpt2'
if [ "$feature_timeout_style" = xy ] ; then
  set timeout_style=menu
  set timeout=5
fi
insmod blscfg
blscfg
if [ "$grub_platform" = "efi" ]; then
  menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
    fwsetup
  }
fi
`

// Set-ups of distributions, each with the older kernel chosen: the answer is
// that kernel or "not known", and never the other kernel.
func TestDistributions(t *testing.T) {
	const none = ""
	const fedora = "boot/loader/entries/" + machineID + "-"
	bls := func(release string) string {
		return "title Fedora (" + release + ")\nversion " + release + "\nlinux /vmlinuz-" + release + "\ninitrd /initramfs-" + release + ".img\noptions root=UUID=1 ro\n"
	}
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string
		why   string
	}{
		{"Fedora, an entry chosen by grubby", treetest.With(debian, "boot/grub2/grub.cfg", fedoraMenu,
			fedora+oldRelease+".conf", bls(oldRelease), fedora+newRelease+".conf", bls(newRelease),
			"boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry="+machineID+"-"+oldRelease+"\nboot_success=1\n"), oldRelease, "saved_entry"},
		{"Fedora, by number", treetest.With(debian, "boot/grub2/grub.cfg", fedoraMenu,
			fedora+oldRelease+".conf", bls(oldRelease), fedora+newRelease+".conf", bls(newRelease),
			"boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry=1\n"), oldRelease, "saved_entry"},
		{"Arch, unified images", treetest.With(debian, "efi/loader/loader.conf", "default arch-linux-lts.efi\ntimeout 3\n",
			"efi/EFI/Linux/arch-linux.efi", "MZ", "efi/EFI/Linux/arch-linux-lts.efi", "MZ"), none, "cannot be told which kernel"},
		{"Arch, a preferred entry", treetest.With(debian, "efi/loader/loader.conf", "preferred old.conf\ndefault new.conf\n",
			"efi/loader/entries/old.conf", "linux /vmlinuz-"+oldRelease+"\n", "efi/loader/entries/new.conf", "linux /vmlinuz-"+newRelease+"\n"), none, "prefers"},
		{"Arch, an entry for an image", treetest.With(debian, "efi/loader/loader.conf", "default a.conf\n",
			"efi/loader/entries/a.conf", "version "+newRelease+"\nefi /EFI/old.efi\n"), none, "cannot be told what that loads"},
		{"Arch, an entry that says more than its file", treetest.With(debian, "efi/loader/loader.conf", "default a.conf\n",
			"efi/loader/entries/a.conf", "version "+newRelease+"\nlinux /vmlinuz-"+oldRelease+"\n"), oldRelease, "systemd-boot"},
		{"Ubuntu, saved", treetest.With(debian, "boot/grub/grub.cfg", grubConfig("${saved_entry}"), "boot/grub/grubenv",
			"# GRUB Environment Block\nsaved_entry=gnulinux-advanced-1234>gnulinux-"+oldRelease+"-advanced-1234\n"), oldRelease, "saved_entry"},
		{"Ubuntu, a menu that is closed, kernels in another order", treetest.With(debian, "boot/grub/x", "x",
			"etc/default/grub", "GRUB_DEFAULT=0\nGRUB_FLAVOUR_ORDER=\"lowlatency\"\n"), none, "another order"},
		{"Debian, a menu that is closed, another kernel on top", treetest.With(debian, "boot/grub/x", "x",
			"etc/default/grub", "GRUB_DEFAULT=0\nGRUB_TOP_LEVEL=/boot/vmlinuz-"+oldRelease+"\n"), none, "GRUB_TOP_LEVEL"},
		{"Alpine", treetest.With(debian, "boot/vmlinuz-lts", x86Image(oldRelease), "boot/vmlinuz-virt", x86Image(newRelease),
			"boot/extlinux.conf", "DEFAULT menu.c32\nPROMPT 0\nMENU TITLE Alpine/Linux Boot Menu\nMENU HIDDEN\nTIMEOUT 30\n"+
				"LABEL virt\n  MENU LABEL Linux virt\n  LINUX vmlinuz-virt\n  INITRD initramfs-virt\n"+
				"LABEL lts\n  MENU DEFAULT\n  MENU LABEL Linux lts\n  LINUX vmlinuz-lts\n  INITRD initramfs-lts\nMENU SEPARATOR\n"), oldRelease, "default of the menu"},
		{"openSUSE with snapshots", treetest.With(debian, "boot/grub2/grub.cfg", `set btrfs_relative_path="yes"
export btrfs_relative_path
if [ -f ($root)/.snapshots/grub-snapshot.cfg ]; then set have=1; fi
if [ -s $prefix/grubenv ]; then load_env; fi
if [ "${next_entry}" ]; then set default="${next_entry}"; else set default="${saved_entry}"; fi
menuentry 'openSUSE' --class opensuse $menuentry_id_option 'gnulinux-simple-1' { linux /boot/vmlinuz-`+newRelease+` root=UUID=1; }
submenu 'Advanced options for openSUSE' --hotkey=1 $menuentry_id_option 'gnulinux-advanced-1' {
  menuentry 'openSUSE, with Linux `+oldRelease+`' --hotkey=3 { linux /boot/vmlinuz-`+oldRelease+` root=UUID=1; }
}
if [ -f "${config_directory}/snapshot_submenu.cfg" ]; then source "${config_directory}/snapshot_submenu.cfg"; fi
`, "boot/grub2/grubenv", "saved_entry=Advanced options for openSUSE>openSUSE, with Linux "+oldRelease+"\n",
			"boot/grub2/snapshot_submenu.cfg", "submenu 'Start bootloader from a read-only snapshot' { if [ -f /.snapshots/x ]; then source /.snapshots/x; fi; }\n"), oldRelease, "saved_entry"},
		{"openSUSE, entries of its own kind", treetest.With(debian, "boot/efi/loader/loader.conf", "default opensuse-"+oldRelease+"-1.conf\n",
			"boot/efi/loader/entries/opensuse-"+oldRelease+"-1.conf", "title openSUSE\nversion 1@"+oldRelease+"\nsort-key opensuse\nlinux /opensuse/"+oldRelease+"/linux-0123abcd\n",
			"boot/efi/loader/entries/opensuse-"+newRelease+"-2.conf", "title openSUSE\nversion 2@"+newRelease+"\nsort-key opensuse\nlinux /opensuse/"+newRelease+"/linux-4567cdef\n"), oldRelease, "systemd-boot's default"},
		{"U-Boot on a board", treetest.With(debian, "boot/Image", "Linux version "+oldRelease+" (builder@host) #1", "boot/extlinux/extlinux.conf",
			"MENU TITLE Boot\nTIMEOUT 10\nDEFAULT primary\nLABEL primary\n  KERNEL /boot/Image\n  FDTDIR /boot/dtbs\n  APPEND root=/dev/mmcblk0p2\n"), oldRelease, "primary"},
		{"U-Boot on a board, with a script beside", treetest.With(debian, "boot/boot.scr", "x", "boot/extlinux/extlinux.conf",
			"DEFAULT primary\nLABEL primary\n  KERNEL /boot/vmlinuz-"+newRelease+"\n"), none, "disagree"},
		{"Gentoo", treetest.With(treetest.With(debian, efiFiles(-1, `\EFI\Gentoo\bzImage-`+oldRelease+`.efi`)...), "boot/efi/EFI/Gentoo/bzImage-"+oldRelease+".efi", "MZ"), oldRelease, "firmware"},
		{"rEFInd beside systemd-boot's entries", treetest.With(debian, "boot/efi/EFI/refind/refind.conf", "timeout 20\n",
			"boot/loader/loader.conf", "#", "boot/loader/entries/a.conf", "linux /vmlinuz-"+newRelease+"\n"), none, "disagree"},
		{"NixOS", treetest.With(debian, "boot/loader/loader.conf", "timeout 5\ndefault nixos-generation-12.conf\nconsole-mode keep\n",
			"boot/loader/entries/nixos-generation-12.conf", "title NixOS\nversion Generation 12 NixOS 23.11, Linux Kernel 6.1.0\nlinux /EFI/nixos/abc-linux-6.1.0-bzImage.efi\n",
			"boot/EFI/nixos/abc-linux-6.1.0-bzImage.efi", x86Image(oldRelease)), oldRelease, "nixos-generation-12"},
		{"ostree", treetest.With(debian, "boot/loader", "-> loader.1", "boot/loader.1/entries/ostree-2-fedora.conf",
			"title Fedora (ostree:0)\nversion 2\nlinux /ostree/fedora-0123/vmlinuz-"+oldRelease+"\n", "boot/grub2/grub.cfg", fedoraMenu), oldRelease, "ostree"},
		{"GRUB that saves what it boots", treetest.With(debian, "boot/grub/grub.cfg", grubConfig("${saved_entry}")+
			"function savedefault { if [ -z \"${boot_once}\" ]; then saved_entry=\"${chosen}\"; save_env saved_entry; fi; }\n",
			"boot/grub/grubenv", "saved_entry=1>1\n"), oldRelease, "saved_entry"},
	} {
		next := Find(treetest.System(t, test.files), []string{newRelease, oldRelease})
		if next.Release != test.want || (test.want != none) != (next.Evidence == Configured) {
			t.Errorf("%s: %q boots next, %q (%s); want %q", test.name, next.Release, next.Evidence, next.Why, test.want)
		}
		if !strings.Contains(next.Why, test.why) {
			t.Errorf("%s: the reason %q says not %q", test.name, next.Why, test.why)
		}
	}
}

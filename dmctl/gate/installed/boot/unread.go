package boot

// Boot loaders whose configuration is not read here. If one is present, it may
// decide.

import "path"

// unread is a boot loader that is recognised only by its files.
type unread struct {
	name string
	// files are its configuration, below the root and the mount points of boot
	// partitions.
	files []string
	// unless are files of another loader: next to them, files of this one are
	// leftovers.
	unless []string
}

const nameREFInd = "rEFInd"

var unreadLoaders = []unread{
	{name: nameREFInd, files: []string{"refind_linux.conf", "EFI/refind/refind.conf", "EFI/BOOT/refind.conf", "EFI/Microsoft/Boot/refind.conf"}},
	{name: "lilo", files: []string{"etc/lilo.conf"}},
	{name: "elilo", files: []string{"etc/elilo.conf", "elilo.conf", "EFI/debian/elilo.conf", "EFI/Slackware/elilo.conf"}},
	{name: "Limine", files: []string{"limine.conf", "limine.cfg", "limine/limine.conf", "limine/limine.cfg", "EFI/limine/limine.conf", "EFI/BOOT/limine.conf", "EFI/arch-limine/limine.conf"}},
	{name: "U-Boot", files: []string{"boot.scr", "boot.scr.uimg", "boot/boot.scr", "uEnv.txt", "armbianEnv.txt", "extlinux/uEnv.txt"}},
	{name: "yaboot", files: []string{"etc/yaboot.conf"}},
	{name: "kboot", files: []string{"etc/kboot.conf", "kboot.conf"}},
	{name: "aboot", files: []string{"etc/aboot.conf"}},
	{name: "palo", files: []string{"etc/palo.conf"}},
	{name: "quik", files: []string{"etc/quik.conf"}},
	// It writes a kernel into the flash memory of a board, which is not read
	// here.
	{name: "flash-kernel", files: []string{"usr/sbin/flash-kernel"}, unless: []string{"boot/grub/grub.cfg", "boot/extlinux/extlinux.conf", "boot/firmware/config.txt"}},
	{name: "silo", files: []string{"etc/silo.conf", "silo.conf"}},
	{name: "Xen", files: []string{"xen.cfg", "EFI/xen/xen.cfg", "EFI/BOOT/xen.cfg"}},
	{name: "ZFSBootMenu", files: []string{"etc/zfsbootmenu/config.yaml", "EFI/zbm/vmlinuz.EFI", "EFI/ZBM/vmlinuz.EFI", "EFI/zbm/VMLINUZ.EFI", "EFI/ZBM/VMLINUZ.EFI"}},
	{name: "OpenCore", files: []string{"EFI/OC/config.plist", "EFI/CLOVER/config.plist"}},
	{name: "GRUB of the old kind", files: []string{"grub/menu.lst", "grub/grub.conf"}, unless: []string{"boot/grub/grub.cfg", "boot/grub2/grub.cfg"}},
}

func (t *system) unreadChoice(u unread) (choice, bool) {
	for _, file := range u.unless {
		if t.Exists(file) {
			return choice{}, false
		}
	}
	for _, dir := range []string{".", "boot", "efi", "boot/efi", "boot/firmware"} {
		for _, file := range u.files {
			if file = path.Join(dir, file); t.Exists(file) {
				return untoldf("there is %s (/%s), and what it boots is not understood here", u.name, file), true
			}
		}
	}
	return choice{}, false
}

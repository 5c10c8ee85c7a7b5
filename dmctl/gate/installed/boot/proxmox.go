package boot

// Proxmox' boot tool. It keeps kernels on partitions that are not mounted, and
// the name of the kernel to boot in its own files.

import (
	"fmt"
	"slices"
	"strings"
)

func (t *system) proxmoxChoice() (choice, bool) {
	for _, pin := range []struct{ file, what string }{
		{"etc/kernel/next-boot-pin", "pinned for the next boot"},
		{"etc/kernel/proxmox-boot-pin", "pinned"},
	} {
		text, err := t.ReadAtMost(pin.file, maxEntryText)
		switch release := strings.TrimSpace(text); {
		case err != nil && t.Exists(pin.file):
			return untoldf("which kernel is %s in /%s cannot be told: %v", pin.what, pin.file, err), true
		case err != nil || release == "":
			continue
		case slices.Contains(t.releases, release):
			return choice{release: release, why: fmt.Sprintf("it is %s in /%s", pin.what, pin.file)}, true
		default:
			return choice{why: fmt.Sprintf("kernel %s is %s in /%s", release, pin.what, pin.file)}, true
		}
	}
	if t.Exists("etc/kernel/proxmox-boot-uuids") {
		return untoldf("the partitions of /etc/kernel/proxmox-boot-uuids, which decide, are not mounted, and no kernel is pinned"), true
	}
	return choice{}, false
}

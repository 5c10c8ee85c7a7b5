package boot

// The link to the kernel to boot that distributions keep.

import "fmt"

// linkChoice is for machines whose loader goes by the link that Debian and
// others keep to the kernel to boot. Where its target is not there, as /boot is
// not mounted, its text tells.
func (t *system) linkChoice(releases []string) (choice, bool) {
	for _, link := range []string{"vmlinuz", "boot/vmlinuz"} {
		text, err := t.ReadLink(link)
		if err != nil {
			continue
		}
		target, err := t.Resolve(link)
		if err != nil {
			target = text
		}
		if r := releaseInPath("/"+target, releases); r != "" {
			return choice{release: r, why: fmt.Sprintf("the link /%s points to it", link)}, true
		}
	}
	return choice{}, false
}

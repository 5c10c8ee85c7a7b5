package boot

// kexec: a reboot without a boot loader. It boots the kernel that is already
// loaded, or the one that Debian's kexec-tools load during shutdown
// (/etc/default/kexec). A cold start still uses the boot loader.

import (
	"fmt"
	"path"
	"strings"
)

// reboot returns next, unless a reboot by kexec would boot another or an
// unknown kernel.
func (t *system) reboot(next Next) Next {
	c, ok := t.kexecChoice()
	switch {
	case !ok || next.Evidence == None:
		return next
	case c.untold:
		return Next{Why: printable(c.why)}
	case c.release != next.Release:
		return Next{Why: printable(fmt.Sprintf("a reboot and a cold start disagree: %s; %s", c.why, next.Why))}
	}
	return next
}

// kexecChoice returns what a reboot by kexec boots. It is not ok if kexec is
// not set up.
func (t *system) kexecChoice() (choice, bool) {
	if text, err := t.Read("sys/kernel/kexec_loaded"); err == nil && strings.TrimSpace(text) == "1" {
		return untoldf("a kernel was loaded with kexec, and it is not recorded which"), true
	}
	if !t.Exists("sbin/kexec") && !t.Exists("usr/sbin/kexec") {
		return choice{}, false // its settings remain from a removed package
	}
	settings, err := t.kexecSettings()
	load, image := settings["LOAD_KEXEC"], settings["KERNEL_IMAGE"]
	switch {
	case err != nil:
		return untoldf("whether a reboot uses kexec cannot be told: %v", err), true
	case strings.ContainsAny(load, "$`"):
		return untoldf("whether a reboot uses kexec cannot be told: LOAD_KEXEC is %s", load), true
	case load != "true":
		return choice{}, false
	case settings["USE_GRUB_CONFIG"] == "true":
		return untoldf("/etc/default/kexec makes a reboot use an entry of GRUB's menu, and it cannot be told which"), true
	}
	why := fmt.Sprintf("/etc/default/kexec makes a reboot boot %s", image)
	if place, err := t.Resolve(strings.TrimPrefix(image, "/")); err == nil { // a path from the root, not from a partition
		image = "/" + place
	}
	return t.choiceOf(entry{title: image, file: image}, why), true
}

// kexecSettings reads the assignments in /etc/default/kexec and then in the
// files of /etc/default/kexec.d. These are shell scripts.
func (t *system) kexecSettings() (map[string]string, error) {
	const directory = "etc/default/kexec.d"
	more, err := t.List(directory)
	if err != nil {
		return nil, err
	}
	files := []string{"etc/default/kexec"}
	for _, f := range more[:min(len(more), maxEntries)] {
		files = append(files, path.Join(directory, f.Name()))
	}
	settings := make(map[string]string)
	for _, file := range files {
		text, err := t.ReadAtMost(file, maxEntryText)
		if err != nil && t.Exists(file) {
			return nil, err
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				settings[strings.TrimPrefix(name, "export ")] = shellWord(value)
			}
		}
	}
	return settings, nil
}

// shellWord returns the first word of a shell text, without quotes.
func shellWord(text string) string {
	for _, quote := range []string{`"`, "'"} {
		if inside, ok := strings.CutPrefix(text, quote); ok {
			word, _, _ := strings.Cut(inside, quote)
			return word
		}
	}
	word, _, _ := strings.Cut(text, " ")
	return word
}

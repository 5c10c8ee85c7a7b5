package boot

// kexec: a reboot that asks no boot loader. It takes the kernel that was loaded
// already, or the one that Debian's kexec-tools load on the way down
// (/etc/default/kexec). A cold start still asks the boot loader.

import (
	"fmt"
	"path"
	"strings"
)

// reboot is next unless a reboot by kexec would boot another kernel, or one that
// cannot be told.
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

// kexecChoice is what a reboot by kexec boots; not ok where none is set up.
func (t *system) kexecChoice() (choice, bool) {
	if text, err := t.Read("sys/kernel/kexec_loaded"); err == nil && strings.TrimSpace(text) == "1" {
		return untoldf("a kernel was loaded with kexec, and it is not recorded which"), true
	}
	if !t.Exists("sbin/kexec") && !t.Exists("usr/sbin/kexec") {
		return choice{}, false // its settings are left over
	}
	settings, err := t.kexecSettings()
	load, image := settings["LOAD_KEXEC"], settings["KERNEL_IMAGE"]
	switch {
	case err != nil:
		return untoldf("whether a reboot takes a kernel by kexec cannot be told: %v", err), true
	case strings.ContainsAny(load, "$`"):
		return untoldf("whether a reboot takes a kernel by kexec cannot be told: LOAD_KEXEC is %s", load), true
	case load != "true":
		return choice{}, false
	case settings["USE_GRUB_CONFIG"] == "true":
		return untoldf("by /etc/default/kexec a reboot takes an entry of GRUB's menu, and it cannot be told which"), true
	}
	why := fmt.Sprintf("by /etc/default/kexec a reboot takes %s", image)
	if place, err := t.Resolve(strings.TrimPrefix(image, "/")); err == nil { // a path from the root, not from a partition
		image = "/" + place
	}
	return t.choiceOf(entry{title: image, file: image}, why), true
}

// kexecSettings reads the assignments in /etc/default/kexec and, after it, in the
// files of /etc/default/kexec.d, which are shell scripts.
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

// shellWord is the word at the start of a shell's text, without quotes around it.
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

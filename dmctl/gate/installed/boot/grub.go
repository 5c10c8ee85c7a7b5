package boot

// GRUB: where its menu (grub.cfg) and its environment (grubenv) are. If neither
// can be read, the settings from which the menu is made count
// (/etc/default/grub).

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/grub"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

var grubDirectories = []string{"boot/grub", "boot/grub2"}

// grubChoice returns the kernel of the entry that GRUB would boot. Some systems
// have their menu on the EFI system partition (CentOS 7); others have only a
// few lines there that load the menu in /boot.
func (t *system) grubChoice() (choice, bool) {
	for _, dir := range grubDirectories {
		if c, ok := t.grubMenuChoice(dir); ok {
			return c, true
		}
	}
	return t.grubESPChoice()
}

func (t *system) grubMenuChoice(dir string) (choice, bool) {
	menu, err := t.runGrubIn(dir)
	switch {
	case errors.Is(err, tree.ErrTooLong):
		return untoldf("what GRUB's menu in /%s boots cannot be told: %v", dir, err), true
	case err != nil:
		return choice{}, false
	}
	return t.choiceOfMenu(menu)
}

func (t *system) runGrubIn(dir string) (grub.Menu, error) {
	config, err := t.ReadAtMost(dir+"/grub.cfg", grub.MaxScript)
	if err != nil {
		return grub.Menu{}, err
	}
	memory, _ := grubMemory(t, dir)
	return grub.Run(t.Tree, dir, config, memory, t.blscfg), nil
}

func (t *system) choiceOfMenu(menu grub.Menu) (choice, bool) {
	e, why, ok, err := menu.Choose()
	switch {
	case !ok:
		return choice{}, false
	case err != nil:
		return untoldf("what GRUB's menu in /%s boots cannot be told: %v", menu.Dir(), err), true
	}
	return t.choiceOf(fromGRUB(e), fmt.Sprintf("%s in /%s is the entry %q", why, menu.Dir(), e.Title)), true
}

// grubESPChoice reads the menu of the only system that has one on the EFI
// system partition. If there are several, the firmware chooses, and the
// settings of this system are better evidence.
func (t *system) grubESPChoice() (choice, bool) {
	const vendors, most = "boot/efi/EFI", 16
	directories, _ := t.List(vendors)
	var only grub.Menu
	found := false
	for _, d := range directories[:min(len(directories), most)] {
		menu, err := t.runGrubIn(path.Join(vendors, d.Name()))
		switch {
		case err != nil || menu.Empty():
			continue
		case found:
			return choice{}, false
		}
		only, found = menu, true
	}
	if !found {
		return choice{}, false
	}
	return t.choiceOfMenu(only)
}

// grubMemory reads grubenv: lines "name=value", and "#" to fill the block. If
// there is no grubenv, GRUB remembers nothing. The result is nil if it cannot
// be read.
func grubMemory(t *system, dir string) (map[string]string, error) {
	text, err := t.Read(dir + "/grubenv")
	if err != nil && !tree.IsMissing(err) {
		return nil, err
	}
	memory := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "="); ok && name[:min(1, len(name))] != "#" {
			memory[name] = value
		}
	}
	return memory, nil
}

// blscfg returns the entries that GRUB's command blscfg adds to the menu,
// newest first.
func (t *system) blscfg() []grub.Entry {
	entries := t.blsEntries()
	all := make([]grub.Entry, len(entries))
	for i, e := range entries {
		all[i] = grub.Entry{Title: e.title, ID: e.id, File: e.file, Version: e.version, Initrds: e.initrds}
	}
	return all
}

// fromGRUB converts an entry of GRUB. A submenu that was not entered boots
// nothing that can be known.
func fromGRUB(e grub.Entry) entry {
	return entry{
		title: e.Title, id: e.ID, file: e.File, version: e.Version, initrds: e.Initrds,
		unread: e.Unread || e.File == "" && e.Version == "" && len(e.Children) > 0,
	}
}

// grubSettings is for machines whose menu cannot be read because it may hold
// passwords. Such a menu has the newest kernel first, and titles and ids of
// entries contain the release. Settings alone are not enough: they may remain
// from a GRUB that was removed.
func (t *system) grubSettings() (choice, Evidence, bool) {
	here := slices.IndexFunc(grubDirectories, t.Exists)
	if here < 0 {
		return choice{}, None, false
	}
	memory, _ := grubMemory(t, grubDirectories[here])
	if once := memory["next_entry"]; once != "" {
		c, e := t.settingChoice(once, "GRUB's choice for the next boot only (next_entry)")
		return c, e, true
	}
	setting, why := t.grubDefault()
	if setting == "saved" {
		why = "GRUB's saved default (saved_entry)"
		if setting = memory["saved_entry"]; setting == "" {
			setting = "0"
		}
	}
	if setting == "" {
		return choice{}, None, false
	}
	c, e := t.settingChoice(setting, why)
	return c, e, true
}

// grubDefault returns GRUB_DEFAULT and the file that set it last. grub-mkconfig
// of Debian and others reads /etc/default/grub.d/*.cfg after /etc/default/grub.
func (t *system) grubDefault() (setting, why string) {
	for _, file := range t.grubSettingFiles() {
		text, err := t.ReadAtMost(file, maxEntryText)
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "GRUB_DEFAULT="); ok {
				setting, why = strings.Trim(value, `"'`), "GRUB_DEFAULT in /"+file
			}
		}
	}
	return setting, why
}

func (t *system) grubSettingFiles() []string {
	files := []string{"etc/default/grub"}
	more, _ := t.List("etc/default/grub.d")
	for _, f := range more[:min(len(more), maxEntries)] {
		if strings.HasSuffix(f.Name(), ".cfg") {
			files = append(files, "etc/default/grub.d/"+f.Name())
		}
	}
	return files
}

// grubOrder returns a setting that makes the first entry another one than the
// newest kernel, or "" if there is none.
func (t *system) grubOrder() string {
	for _, file := range t.grubSettingFiles() {
		text, err := t.ReadAtMost(file, maxEntryText)
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			for _, name := range []string{"GRUB_TOP_LEVEL", "GRUB_TOP_LEVEL_XEN", "GRUB_FLAVOUR_ORDER"} {
				if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok && strings.Trim(value, `"'`) != "" {
					return name
				}
			}
		}
	}
	return ""
}

// settingChoice returns the kernel of an entry, given only the name of the
// entry. By the convention of grub-mkconfig, the first entry is the newest
// kernel.
func (t *system) settingChoice(setting, why string) (choice, Evidence) {
	if order := t.grubOrder(); setting == "0" && order != "" {
		return untoldf("%s is the first entry, and %s puts kernels into another order", why, order), None
	}
	if setting == "0" {
		return choice{release: t.releases[0], why: why + " is the first entry, which is the newest kernel"}, Inferred
	}
	if r := releaseIn(setting, t.releases); r != "" {
		return choice{release: r, why: fmt.Sprintf("%s is the entry %q", why, setting)}, Configured
	}
	return untoldf("%s is the entry %q, and without the menu it cannot be told what that boots", why, setting), None
}

// releaseIn returns the longest release that a title or id contains whole:
// "6.1.0-4-amd64" is not in "… 6.1.0-47-amd64".
func releaseIn(text string, releases []string) string {
	longest := ""
	for _, r := range releases {
		for from := 0; ; {
			i := strings.Index(text[from:], r)
			if i < 0 {
				break
			}
			i += from
			from = i + 1
			end := i + len(r)
			whole := (i == 0 || strings.ContainsRune(" -(>", rune(text[i-1]))) &&
				(end == len(text) || strings.ContainsRune(" -)>", rune(text[end])))
			if whole && len(r) > len(longest) {
				longest = r
			}
		}
	}
	return longest
}

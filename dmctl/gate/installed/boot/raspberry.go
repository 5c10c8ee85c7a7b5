package boot

// The firmware of the Raspberry Pi: config.txt, lines "key=value" with
// conditional sections.

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

func (t *system) raspberryChoice() (choice, bool) {
	for _, dir := range []string{"boot/firmware", "boot"} {
		file := dir + "/config.txt"
		if !t.Exists(file) {
			continue
		}
		c := raspberryConfig{system: t, dir: dir}
		if err := c.read(file, 0); err != nil {
			return untoldf("what /%s boots cannot be told: %v", file, err), true
		}
		if t.Exists(dir + "/autoboot.txt") {
			return untoldf("what /%s boots cannot be told: autoboot.txt may choose another partition", file), true
		}
		return c.choose(file), true
	}
	return choice{}, false
}

// raspberryConfig is a configuration being read.
type raspberryConfig struct {
	*system
	dir   string
	files int
	// in says whether the current lines are for all models, for none, or for
	// some.
	in truth
	// kernel, prefix and initrd are the last values for all models.
	kernel, prefix, initrd string
	is64Bit                string
	// doubtful are keys that are set only for some models, or differently.
	doubtful string
}

// truth is whether a section counts.
type truth uint8

const (
	always truth = iota
	never
	sometimes
)

func (c *raspberryConfig) read(file string, depth int) error {
	if c.files++; c.files > maxIncludes || depth > maxIncludeDepth {
		return fmt.Errorf("it includes more than %d files", maxIncludes)
	}
	text, err := c.ReadAtMost(file, maxEntryText)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			c.in = sometimes
			switch strings.ToLower(strings.Trim(line, "[] ")) {
			case "all":
				c.in = always
			case "none":
				c.in = never
			}
		case c.in != never:
			if err := c.line(line, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *raspberryConfig) line(line string, depth int) error {
	if key, name := cutKey(line); key == "include" {
		if c.in == sometimes {
			c.doubtful = "include"
			return nil
		}
		file := path.Join(c.dir, name)
		if !c.Exists(file) { // the firmware skips it too
			return nil
		}
		return c.read(file, depth+1)
	} else if key == "initramfs" {
		c.initrd = firstWord(name)
		return nil
	}
	key, value, _ := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	targets := map[string]*string{"kernel": &c.kernel, "os_prefix": &c.prefix, "arm_64bit": &c.is64Bit}
	target := targets[key]
	switch {
	case target == nil:
	case c.in == always:
		*target = value
		if c.doubtful == key { // the last value counts
			c.doubtful = ""
		}
	case *target != value:
		c.doubtful = key
	}
	return nil
}

// raspberryKernels are the names that the firmware looks for if kernel= is not
// set. The model decides which of them.
var raspberryKernels = []string{"kernel_2712.img", "kernel8.img", "kernel7l.img", "kernel7.img", "kernel.img"}

func (c *raspberryConfig) choose(file string) choice {
	if c.doubtful != "" {
		return untoldf("what /%s boots cannot be told: its %s depends on the model", file, c.doubtful)
	}
	if c.kernel != "" {
		return c.image(file, c.kernel, "kernel="+c.kernel)
	}
	names := raspberryKernels
	switch c.is64Bit {
	case "1":
		names = names[:2]
	case "0":
		names = names[2:]
	}
	var found []choice
	for _, name := range names {
		if slices.ContainsFunc(c.places(name), c.Exists) {
			found = append(found, c.image(file, name, "the firmware's default "+name))
		}
	}
	if one, ok := agreed(found); ok {
		return one
	}
	return untoldf("what /%s boots cannot be told: it names no kernel, and the firmware's defaults are not here", file)
}

func (c *raspberryConfig) places(name string) []string {
	return []string{path.Join(c.dir, c.prefix+name)}
}

func (c *raspberryConfig) image(file, name, what string) choice {
	e := entry{title: name, file: "/" + path.Join(c.dir, c.prefix+name)}
	if c.initrd != "" {
		e.initrds = []string{"/" + path.Join(c.dir, c.prefix+c.initrd)}
	}
	return c.choiceOf(e, fmt.Sprintf("%s of /%s", what, file))
}

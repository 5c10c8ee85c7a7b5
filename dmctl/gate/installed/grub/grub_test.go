package grub

import (
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

func FuzzGrubMenu(f *testing.F) {
	f.Add(debianMenu, "1>1")
	f.Add("menuentry 'a\\'b' {\n}\nsubmenu \"c d\" --id e {\nmenuentry f --id g { # {\nlinux /h\n}\n", "e>g")
	f.Add("function f { if [ -n \"$x\" -a ( ! -f /y ) ]; then set default=${x}; else f; fi; }; f; source $prefix/grub.cfg", "0")
	f.Add("while true; do set a=$a$a; done; for x in 1 2; do menuentry $x { linux /$x; }; done; default=$a", "2")
	f.Fuzz(func(t *testing.T, config, spec string) {
		bls := func() []Entry { return []Entry{{ID: "bls"}} }
		files := tree.New(fstest.MapFS{"boot/grub/grub.cfg": &fstest.MapFile{Data: []byte(config)}})
		memory := map[string]string{"next_entry": spec, "saved_entry": spec}
		if e, _, _, err := Run(files, "boot/grub", config, memory, bls).Choose(); err == nil && len(e.Children) > 0 {
			t.Fatalf("the submenu %q is said to boot", e.Title)
		}
	})
}

// A script may ask for any amount of work.
func TestGrubWorkIsBounded(t *testing.T) {
	for name, script := range map[string]string{
		"calls":    "function a { b; b; }\nfunction b { c; c; }\nfunction c { d; d; }\nfunction d { a; a; }\na\n",
		"values":   strings.Repeat("x=a$x$x$x\n", 100) + "default=$x\n",
		"files":    "source $prefix/grub.cfg\nsource $prefix/grub.cfg\n",
		"blocks":   strings.Repeat("if x; then ", 1<<16),
		"menus":    strings.Repeat("submenu x {", 1<<16),
		"brackets": "if [ " + strings.Repeat("( ", 1<<16) + "; then set default=1; fi\n",
		"commands": strings.Repeat("a\n", MaxScript/4),
		"words":    strings.Repeat("a ", MaxScript/4) + "\n",
		"parts":    strings.Repeat("''", MaxScript/3) + "\n",
		"braces":   "a \"" + strings.Repeat("${", MaxScript/3) + "\"\nsource $prefix/grub.cfg\n",
		"size":     strings.Repeat("#", maxWork) + "\n",
		"its size": "source $prefix/grub.cfg\n" + strings.Repeat("a\n", 1<<13),
	} {
		script += "menuentry x { linux /vmlinuz-6.1; }"
		files := tree.New(fstest.MapFS{"boot/grub/grub.cfg": &fstest.MapFile{Data: []byte(script)}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		if e, _, _, err := Run(files, "boot/grub", script, nil, nil).Choose(); err == nil {
			t.Errorf("%s: %q boots next, want that it cannot be told", name, e.Title)
		}
		runtime.ReadMemStats(&after)
		t.Logf("%s: %v, %d MiB", name, time.Since(start), (after.TotalAlloc-before.TotalAlloc)>>20)
		if after.TotalAlloc-before.TotalAlloc > 128<<20 {
			t.Errorf("%s: %d MiB were allocated", name, (after.TotalAlloc-before.TotalAlloc)>>20)
		}
	}
}

// debianMenu is a menu as grub-mkconfig of Debian lays it out.
const debianMenu = `if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="0"
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1234' {
	linux	/boot/vmlinuz-6.1.0-47-amd64 root=UUID=1234 ro  quiet
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1234' {
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-47-amd64' {
		linux	/boot/vmlinuz-6.1.0-47-amd64 root=UUID=1234 ro
	}
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-9-amd64' {
		linux	/boot/vmlinuz-6.1.0-9-amd64 root=UUID=1234 ro
	}
}
`

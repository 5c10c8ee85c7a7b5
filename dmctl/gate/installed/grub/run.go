package grub

// Running grub.cfg as far as it makes the menu and chooses the default. Values
// that depend on the machine at boot are not known here; everything that
// depends on them is unknown too, and never guessed.

import (
	"path"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// interpreter is a running script.
type interpreter struct {
	tree *tree.Tree
	dir  string // GRUB's $prefix, below the root
	// scopes are the variables: those of the script, and those of the entries
	// around.
	scopes    []map[string]string
	ownMemory bool // grubenv could be read, so variables missing there are not set
	functions map[string][]command
	calls     int    // nested calls of functions
	sources   int    // nested files
	doubts    int    // nested conditions that are not known
	loops     int    // nested: a loop runs once here, and maybe more often at boot
	root      *Entry // its children are the menu
	menu      *Entry // the innermost
	bls       func() []Entry
	budget    int // the work that is still allowed
	// lost says what was not understood and may have changed the default or the
	// menu.
	lost string
	// chosenBy is the variable of grubenv that set the default.
	chosenBy string
}

// Bounds on the work for a script: about ten times what large menus need. A
// byte of a script or of a variable counts as 1, so the work also bounds the
// memory.
const (
	MaxScript   = 1 << 20 // bytes of one script
	maxWork     = 4 << 20 // reading and running all scripts
	maxValue    = 64 << 10
	maxSources  = 8  // files that include each other
	commandWork = 64 // of a command, without its words
	wordWork    = 32
	partWork    = 16 // of a word
)

// run runs the script of a GRUB directory; see Run.
func run(t *tree.Tree, dir, script string, memory map[string]string, bls func() []Entry) *interpreter {
	variables := map[string]string{
		"prefix": "/" + dir, "config_directory": "/" + dir,
		"menuentry_id_option": "--id", "feature_menuentry_id": "y",
	}
	for name, value := range memory {
		variables[name] = strings.ReplaceAll(value, unknownMark, "")
	}
	root := &Entry{}
	r := &interpreter{
		tree: t, dir: dir, scopes: []map[string]string{variables}, ownMemory: memory != nil,
		functions: make(map[string][]command), root: root, menu: root, bls: bls, budget: maxWork,
	}
	r.script(script)
	return r
}

func (r *interpreter) script(text string) {
	if r.budget -= len(text); r.budget < 0 {
		r.lose(tooMuchWork)
		return
	}
	commands, left, lost := parse(text, r.budget)
	r.budget = left
	if lost != "" {
		r.lose(lost)
		return
	}
	r.run(commands)
}

func (r *interpreter) run(commands []command) {
	for _, c := range commands {
		if r.lost != "" { // nothing later can make the answer known
			return
		}
		if r.budget -= commandWork + c.size; r.budget < 0 {
			r.lose(tooMuchWork)
			return
		}
		switch {
		case c.branches != nil:
			r.branch(c.branches)
		case c.loop:
			r.doubts++
			r.loops++
			r.run(c.block)
			r.loops--
			r.doubts--
		default:
			r.command(c)
		}
	}
}

// branch runs the branch whose condition is true. If that is not known, it runs
// all candidates in doubt.
func (r *interpreter) branch(branches []branch) {
	doubts := 0
	for _, b := range branches {
		holds := yes
		if b.condition != nil {
			holds = r.condition(b.condition)
		}
		if holds == no {
			continue
		}
		if holds == untold {
			doubts = 1
		}
		r.doubts += doubts
		r.run(b.body)
		r.doubts -= doubts
		if holds == yes {
			return
		}
	}
}

// command runs a command that is not a branch or a loop.
func (r *interpreter) command(c command) {
	if len(c.words) == 0 {
		r.run(c.block)
		return
	}
	if name, value, ok := assignment(c.words[0]); ok && len(c.words) == 1 {
		r.assign(name, value)
		return
	}
	name := r.expand(c.words[0], false)
	if name == "function" && len(c.words) > 1 {
		r.functions[r.expand(c.words[1], false)] = c.block
		return
	}
	if body, ok := r.functions[name]; ok {
		r.call(body)
		return
	}
	switch name {
	case "set":
		if len(c.words) == 2 {
			if name, value, ok := assignment(c.words[1]); ok {
				r.assign(name, value)
			}
		}
	case "menuentry", "submenu":
		r.entry(c)
	case "blscfg":
		if r.bls != nil {
			r.add(r.bls()...)
			r.bls = nil // once: a menu could read all the files on every line
		}
	case "source", ".":
		r.source(r.arguments(c.words[1:], true))
	default:
		r.other(name, r.arguments(c.words[1:], true))
	}
}

// call runs a function.
func (r *interpreter) call(body []command) {
	if r.calls++; r.calls > maxDepth {
		r.lose("functions that call themselves")
	} else {
		r.run(body)
	}
	r.calls--
}

// other runs commands that do not make menus. Inside an entry, only those that
// load a kernel matter.
func (r *interpreter) other(name string, arguments []string) {
	if r.menu != r.root {
		r.load(name, arguments)
		return
	}
	switch name {
	case "export", "save_env", "echo", "[", "test", "true", "false":
	case "unset":
		for _, variable := range arguments {
			r.assign(variable, word{})
		}
	case "load_env":
		if file := optionValue(arguments, "-f", "--file"); file != "" && path.Clean(WithoutDevice(file)) != "/"+r.dir+"/grubenv" {
			for _, variable := range []string{"default", "saved_entry", "next_entry"} {
				r.put(variable, unknownMark+variable+unknownMark)
			}
		}
	case "eval", "configfile", "normal", "legacy_configfile", "legacy_source", "syslinux_configfile", "syslinux_source",
		"extract_entries_source", "extract_entries_configfile", "extract_legacy_entries_source", "extract_legacy_entries_configfile":
		r.lose("the command " + name)
	default:
		// "read default", "regexp --set=1:default", "search --set=default".
		for _, a := range arguments {
			if a == "default" || strings.HasSuffix(a, "=default") || strings.HasSuffix(a, ":default") {
				r.put("default", unknownMark+"default"+unknownMark)
			}
		}
	}
}

// source runs another script in place. GRUB does not see files outside the root
// either.
func (r *interpreter) source(arguments []string) {
	if r.menu != r.root || len(arguments) == 0 {
		r.menu.Unread = true
		return
	}
	file := WithoutDevice(arguments[0])
	if !IsKnown(file) || !path.IsAbs(file) {
		r.lose("source " + arguments[0])
		return
	}
	for _, dir := range []string{".", "boot"} {
		text, err := r.tree.ReadAtMost(path.Join(dir, file), MaxScript)
		if err == nil {
			if r.sources++; r.sources > maxSources {
				r.lose("files that contain each other")
			} else {
				r.script(text)
			}
			r.sources--
			return
		}
		if !tree.IsMissing(err) {
			r.lose("source " + arguments[0])
			return
		}
	}
}

// condition runs the commands of a condition. The success of the last one
// decides.
func (r *interpreter) condition(commands []command) truth {
	r.run(commands)
	if len(commands) == 0 {
		return untold
	}
	last := commands[len(commands)-1]
	if len(last.words) == 0 || last.branches != nil || last.loop {
		return untold
	}
	words := r.arguments(last.words, false)
	negated := len(words) > 0 && words[0] == "!"
	if negated {
		words = words[1:]
	}
	holds := r.success(words)
	if negated {
		return holds.not()
	}
	return holds
}

func (r *interpreter) success(words []string) truth {
	if len(words) == 0 {
		return untold
	}
	switch words[0] {
	case "true":
		return yes
	case "false":
		return no
	case "[":
		if words[len(words)-1] == "]" {
			words = words[:len(words)-1]
		}
		fallthrough
	case "test":
		e := expression{run: r, words: words[min(1, len(words)):]}
		return e.or(0)
	default:
		return untold
	}
}

// entry makes an entry or a submenu from a command, and runs its block to see
// what it loads.
func (r *interpreter) entry(c command) {
	if len(r.scopes) > maxDepth {
		r.lose("menus within menus")
		return
	}
	title, id := titleAndID(r.arguments(c.words[1:], true))
	nameless := r.loops > 0 || !IsKnown(title) || !IsKnown(id)
	e := &Entry{Title: title, ID: id, doubtful: nameless, nameless: nameless}
	menu, doubts := r.menu, r.doubts
	r.menu, r.doubts = e, 0
	r.scopes = append(r.scopes, make(map[string]string))
	r.run(c.block)
	r.scopes = r.scopes[:len(r.scopes)-1]
	r.menu, r.doubts = menu, doubts
	r.add(*e)
}

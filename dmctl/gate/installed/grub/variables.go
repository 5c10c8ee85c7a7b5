// Variables of a script, and texts with what is not known in them.

package grub

import "strings"

// unknownMark is around the names of variables in texts whose value is not
// known.
const unknownMark = "\x00"

// IsKnown reports whether all of a text is known.
func IsKnown(text string) bool { return !strings.Contains(text, unknownMark) }

// Shown is a text as the script had it, about.
func Shown(text string) string {
	for i := 0; !IsKnown(text); i++ {
		text = strings.Replace(text, unknownMark, []string{"${", "}"}[i%2], 1)
	}
	return text
}

// assignment reads "name=value".
func assignment(w word) (name string, value word, ok bool) {
	if len(w.parts) == 0 || w.parts[0].variable || w.parts[0].quoted {
		return "", word{}, false
	}
	name, first, ok := strings.Cut(w.parts[0].text, "=")
	if name == "" || !ok {
		return "", word{}, false
	}
	value.parts = append([]part{{text: first}}, w.parts[1:]...)
	return name, value, true
}

// assign sets a variable.
func (r *interpreter) assign(name string, value word) {
	if name == "default" {
		r.chosenBy = ""
		for _, part := range value.parts {
			if part.variable {
				r.chosenBy = part.text
			}
		}
	}
	r.put(name, r.expand(value, true))
}

// put sets a variable; in doubt, it may keep its value or not.
func (r *interpreter) put(name, value string) {
	if r.doubts > 0 {
		if old, set := r.lookUp(name); !set || old != value {
			value = unknownMark + name + unknownMark
		}
	}
	r.scopes[len(r.scopes)-1][name] = value
}

// keeps are variables that only grubenv brings.
var keeps = map[string]bool{"saved_entry": true, "next_entry": true, "prev_saved_entry": true, "prev_entry": true}

func (r *interpreter) lookUp(name string) (value string, set bool) {
	for i := len(r.scopes) - 1; i >= 0; i-- {
		if value, set = r.scopes[i][name]; set {
			return value, true
		}
	}
	return "", false
}

// value returns a variable's value. What the script has not set is empty where
// grubenv alone could have set it, and in conditions also where nothing hints
// at GRUB itself; else it is unknown, as whatever starts the script may have
// set it.
func (r *interpreter) value(name string, strict bool) string {
	value, set := r.lookUp(name)
	switch {
	case set:
		return value
	case r.ownMemory && (keeps[name] || !strict && !ofGRUBItself(name)):
		return ""
	default:
		return unknownMark + name + unknownMark
	}
}

// ofGRUBItself: variables that GRUB sets by the machine that it finds.
func ofGRUBItself(name string) bool {
	for _, prefix := range []string{"feature_", "grub_", "net_", "pxe_", "locale", "shim_", "lockdown"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "root", "cmdpath", "chosen", "lang", "biosnum", "match", "?", "*", "@", "#":
		return true
	}
	return name != "" && isDigit(name[0])
}

// expand replaces the variables of a word. strict is for values; see value.
func (r *interpreter) expand(w word, strict bool) string {
	if len(w.parts) == 1 && !w.parts[0].variable {
		return w.parts[0].text
	}
	var b strings.Builder
	for _, p := range w.parts {
		text := p.text
		if p.variable {
			text = r.value(p.text, strict)
		}
		if r.budget -= len(text); r.budget < 0 || b.Len()+len(text) > maxValue {
			return unknownMark + "..." + unknownMark
		}
		b.WriteString(text)
	}
	return b.String()
}

// arguments replaces the variables of words; a variable that is empty and not
// quoted is no word. strict is as for value.
func (r *interpreter) arguments(words []word, strict bool) []string {
	all := make([]string, 0, len(words))
	for _, w := range words {
		text := r.expand(w, strict)
		if text != "" || len(w.parts) == 0 || w.parts[0].quoted {
			all = append(all, text)
		}
	}
	return all
}

// WithoutDevice cuts "(hd0,1)" or "($root)" off a file's name.
func WithoutDevice(file string) string {
	if strings.HasPrefix(file, "(") {
		if _, rest, ok := strings.Cut(file, ")"); ok {
			return rest
		}
	}
	return file
}

// optionValue returns the value of an option, "" where it is not there.
func optionValue(arguments []string, names ...string) string {
	for i, a := range arguments {
		for _, name := range names {
			if a == name && i+1 < len(arguments) {
				return arguments[i+1]
			}
			if value, ok := strings.CutPrefix(a, name+"="); ok {
				return value
			}
		}
	}
	return ""
}

// lose gives up on the default.
func (r *interpreter) lose(why string) {
	if r.lost == "" {
		r.lost = Shown(why)
	}
}

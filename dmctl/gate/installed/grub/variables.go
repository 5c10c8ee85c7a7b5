// Variables of a script, and texts with unknown parts.

package grub

import "strings"

// unknownMark encloses, in texts, the names of variables whose value is not
// known.
const unknownMark = "\x00"

// IsKnown reports whether a text has no unknown parts.
func IsKnown(text string) bool { return !strings.Contains(text, unknownMark) }

// Shown returns a text roughly as it is in the script.
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

// put sets a variable. In doubt, the variable may also keep its value.
func (r *interpreter) put(name, value string) {
	if r.doubts > 0 {
		if old, set := r.lookUp(name); !set || old != value {
			value = unknownMark + name + unknownMark
		}
	}
	r.scopes[len(r.scopes)-1][name] = value
}

// keeps are variables that come only from grubenv.
var keeps = map[string]bool{"saved_entry": true, "next_entry": true, "prev_saved_entry": true, "prev_entry": true}

func (r *interpreter) lookUp(name string) (value string, set bool) {
	for i := len(r.scopes) - 1; i >= 0; i-- {
		if value, set = r.scopes[i][name]; set {
			return value, true
		}
	}
	return "", false
}

// value returns the value of a variable. A variable that the script has not set
// is empty if only grubenv could have set it. In conditions it is also empty if
// its name does not suggest GRUB itself. Otherwise it is unknown, because the
// program that starts the script may have set it.
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

// ofGRUBItself reports whether GRUB sets the variable according to the machine.
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

// arguments replaces the variables of words. An unquoted variable that is empty
// makes no word. strict is as for value.
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

// WithoutDevice removes "(hd0,1)" or "($root)" from a file name.
func WithoutDevice(file string) string {
	if strings.HasPrefix(file, "(") {
		if _, rest, ok := strings.Cut(file, ")"); ok {
			return rest
		}
	}
	return file
}

// optionValue returns the value of an option, or "" if it is missing.
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

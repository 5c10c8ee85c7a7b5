package grub

// Conditions in grub.cfg. Each is true, false or not known.

import (
	"path"
	"strconv"
)

type truth uint8

const (
	untold truth = iota
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (a truth) not() truth {
	switch a {
	case yes:
		return no
	case no:
		return yes
	default:
		return untold
	}
}

func (a truth) and(b truth) truth {
	switch {
	case a == no || b == no:
		return no
	case a == yes && b == yes:
		return yes
	default:
		return untold
	}
}

func (a truth) or(b truth) truth { return a.not().and(b.not()).not() }

// expression is the argument of the command test.
type expression struct {
	run   *interpreter
	words []string
}

func (e *expression) take(word string) bool {
	if len(e.words) == 0 || e.words[0] != word {
		return false
	}
	e.words = e.words[1:]
	return true
}

func (e *expression) or(depth int) truth {
	holds := e.and(depth)
	for e.take("-o") {
		holds = holds.or(e.and(depth))
	}
	return holds
}

func (e *expression) and(depth int) truth {
	holds := e.primary(depth)
	for e.take("-a") {
		holds = holds.and(e.primary(depth))
	}
	return holds
}

func (e *expression) primary(depth int) truth {
	if depth > maxDepth {
		e.words = nil
		return untold
	}
	if len(e.words) >= 3 {
		if holds, ok := compareTexts(e.words[0], e.words[1], e.words[2]); ok {
			e.words = e.words[3:]
			return holds
		}
	}
	if e.take("!") {
		return e.primary(depth + 1).not()
	}
	if e.take("(") {
		holds := e.or(depth + 1)
		e.take(")")
		return holds
	}
	if len(e.words) >= 2 {
		if holds, ok := e.unary(e.words[0], e.words[1]); ok {
			e.words = e.words[2:]
			return holds
		}
	}
	if len(e.words) == 0 {
		return no
	}
	text := e.words[0]
	e.words = e.words[1:]
	return isText(text)
}

// isText reports whether the text is not empty.
func isText(text string) truth {
	if !IsKnown(text) {
		return untold
	}
	return truthOf(text != "")
}

// unary judges "-n TEXT" and other tests with one operand. Files are searched
// where GRUB may see them: on a boot partition or on the root's.
func (e *expression) unary(operator, operand string) (holds truth, ok bool) {
	switch operator {
	case "-n":
		return isText(operand), true
	case "-z":
		return isText(operand).not(), true
	case "-d", "-e", "-f", "-s":
		file := WithoutDevice(operand)
		if !IsKnown(file) || !path.IsAbs(file) {
			return untold, true
		}
		return truthOf(e.run.tree.Exists(file[1:]) || e.run.tree.Exists(path.Join("boot", file))), true
	default:
		return untold, false
	}
}

func compareTexts(a, operator, b string) (holds truth, ok bool) {
	known := IsKnown(a) && IsKnown(b)
	var result bool
	switch operator {
	case "=", "==":
		result = a == b
	case "!=":
		result = a != b
	case "<":
		result = a < b
	case "<=":
		result = a <= b
	case ">":
		result = a > b
	case ">=":
		result = a >= b
	case "-eq", "-ne", "-lt", "-le", "-gt", "-ge":
		x, errX := strconv.Atoi(a)
		y, errY := strconv.Atoi(b)
		known = known && errX == nil && errY == nil
		switch operator {
		case "-eq":
			result = x == y
		case "-ne":
			result = x != y
		case "-lt":
			result = x < y
		case "-le":
			result = x <= y
		case "-gt":
			result = x > y
		case "-ge":
			result = x >= y
		}
	case "-pgt", "-plt", "-nt", "-ot":
		known = false
	default:
		return untold, false
	}
	if !known {
		return untold, true
	}
	return truthOf(result), true
}

package output

// The locale: which characters the user's terminal can show.

import (
	"cmp"
	"os"
	"strings"
)

// UTF8 reports whether the locale can show more than ASCII. The first variable
// that is set counts, as in setlocale(3).
func UTF8() bool {
	locale := cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG"))
	_, charset, _ := strings.Cut(locale, ".")
	charset, _, _ = strings.Cut(charset, "@")
	charset = strings.ToLower(strings.ReplaceAll(charset, "-", ""))
	return charset == "utf8"
}

package packaging

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fenced  = regexp.MustCompile("(?s)```.*?```")
)

// anchor is the anchor of a heading in links, as forges make it.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ', r == '-':
			b.WriteByte('-')
		case r == '_', 'a' <= r && r <= 'z', '0' <= r && r <= '9', r > 127:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func anchors(t *testing.T, path string) map[string]bool {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
		all[anchor(m[1])] = true
	}
	return all
}

// TestLinks follows every link of every document.
func TestLinks(t *testing.T) {
	if documents, links := followLinks(t, ".."); documents < 10 || links < 30 {
		t.Errorf("%d documents with %d links: some are not found any more", documents, links)
	}
}

// followLinks follows every link of the documents below a directory to a file and,
// if it names one, to a heading. Tests have no network: of links to other sites
// only the form is checked.
func followLinks(t *testing.T, top string) (documents, links int) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "dist" || d.Name() == "out" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		documents++
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
			links++
			if strings.Contains(m[1], ":") {
				checkAddress(t, path, m[1])
			} else {
				followLink(t, path, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return documents, links
}

// followLink follows a link within the tree.
func followLink(t *testing.T, path, link string) {
	t.Helper()
	target, part, _ := strings.Cut(link, "#")
	to := path
	if target != "" {
		to = filepath.Join(filepath.Dir(path), target)
	}
	if _, err := os.Stat(to); err != nil {
		t.Errorf("%s: %s: there is no such file", path, link)
	} else if part != "" && !anchors(t, to)[part] {
		t.Errorf("%s: %s: there is no such heading", path, link)
	}
}

func checkAddress(t *testing.T, path, address string) {
	t.Helper()
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || !strings.Contains(u.Host, ".") {
		t.Errorf("%s: %s: not the address of a page", path, address)
	}
}

// The index names each page of the documentation.
func TestTheIndexIsComplete(t *testing.T) {
	index, err := os.ReadFile("../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if name := filepath.Base(p); name != "README.md" && !strings.Contains(string(index), "("+name+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}

// The page of the format describes each kind of damage in the contract.
func TestTheFormatsPageNamesEachCode(t *testing.T) {
	contract, err := os.ReadFile("../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("man/dmsnap-store.5")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile("(?m)^\\| ((?:`[a-z-]+`(?:, )?)+) \\| (?:error|warning|info) \\|").FindAllStringSubmatch(string(contract), -1)
	if len(codes) < 10 {
		t.Fatalf("%d codes in docs/cli.md: the table is not found any more", len(codes))
	}
	for _, m := range codes {
		for _, code := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(m[1], -1) {
			if !strings.Contains(string(page), code[1]) {
				t.Errorf("dmsnap-store.5 does not tell of %s", code[1])
			}
		}
	}
}

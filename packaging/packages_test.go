//go:build packages && linux

package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// TestMain removes what the tests built together.
func TestMain(m *testing.M) {
	code := m.Run()
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// need installs the packages that a test uses.
func need(t *testing.T, names ...string) {
	t.Helper()
	if err := packages.Install(os.Stderr, names...); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// testVersion is the version of the packages under test.
const testVersion = "0.9.0"

// shared are the packages for this architecture, which many tests examine: they
// are built once.
var shared struct {
	sync.Once
	dir string
	err error
	log []byte
}

// built returns the directory with the packages for amd64.
func built(t *testing.T) string {
	t.Helper()
	shared.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "dmsnapctl-packages-"); shared.err == nil {
			shared.log, shared.err = exec.Command("./build.sh", testVersion, shared.dir, "amd64").CombinedOutput()
		}
	})
	if shared.err != nil {
		t.Fatalf("build.sh: %v\n%s", shared.err, shared.log)
	}
	return shared.dir
}

func debOf(dir string) string { return filepath.Join(dir, "dmsnapctl_"+testVersion+"-1_amd64.deb") }
func rpmOf(dir string) string { return filepath.Join(dir, "dmsnapctl-"+testVersion+"-1.x86_64.rpm") }

// unpacked returns a directory with the files of the .deb.
func unpacked(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, "dpkg-deb", "-x", debOf(built(t)), dir)
	return dir
}

// Two builds of one tree are equal, bit by bit, on hosts with other names and
// time zones too, and lintian finds nothing in the package.
func TestPackages(t *testing.T) {
	need(t, "lintian")
	one, two := built(t), t.TempDir()
	must(t, "unshare", "--uts", "sh", "-ec", `hostname elsewhere; umask 077; TZ=Asia/Tokyo LC_ALL=C exec ./build.sh "$@"`, "sh", testVersion, two, "amd64")
	for _, name := range []func(string) string{debOf, rpmOf} {
		a, err := os.ReadFile(name(one))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(name(two))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another one when it is built again: %v", filepath.Base(name(one)), err)
		}
	}
	if said := must(t, "lintian", "--allow-root", debOf(one)); said != "" {
		t.Errorf("lintian: %s", said)
	}
}

// The .rpm has the same files as the .deb, except for those that exist on only
// one of the two systems, and its program runs.
func TestTheRPMHoldsTheSame(t *testing.T) {
	need(t, "rpm", "cpio")
	deb, rpm := unpacked(t), t.TempDir()
	must(t, "sh", "-c", `rpm2cpio "$1" | (cd "$2" && cpio --quiet -id --no-absolute-filenames)`, "sh", rpmOf(built(t)), rpm)
	only := func(here, there string) (names []string) {
		err := filepath.WalkDir(here, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name := strings.TrimPrefix(path, here)
			if _, err := os.Lstat(there + name); err != nil {
				names = append(names, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	const debOnly = "/usr/share/doc/dmsnapctl/changelog.Debian.gz /usr/share/lintian/overrides/dmsnapctl /usr/share/zsh/vendor-completions/_dmsnapctl"
	if got := strings.Join(only(deb, rpm), " "); got != debOnly {
		t.Errorf("only the .deb has %s", got)
	}
	const rpmOnly = "/usr/share/licenses/dmsnapctl/LICENSE /usr/share/licenses/dmsnapctl/THIRD_PARTY.md /usr/share/zsh/site-functions/_dmsnapctl"
	if got := strings.Join(only(rpm, deb), " "); got != rpmOnly {
		t.Errorf("only the .rpm has %s", got)
	}
	if said := must(t, "rpm", "-qp", "--nosignature", "--licensefiles", rpmOf(built(t))); strings.Count(said, "\n") != 2 {
		t.Errorf("rpm --licensefiles: %s", said)
	}
	if _, err := os.Stat(deb + "/usr/share/doc/dmsnapctl/THIRD_PARTY.md"); err != nil {
		t.Errorf("the .deb has no notices of the modules: %v", err)
	}
	if said := must(t, "rpm", "--checksig", "--nosignature", rpmOf(built(t))); !strings.HasSuffix(said, ": digests OK\n") {
		t.Errorf("rpm --checksig: %s", said)
	}
	if said := must(t, rpm+"/usr/sbin/dmsnapctl", "--version"); !strings.Contains(said, testVersion) {
		t.Errorf("--version: %s", said)
	}
	if said := must(t, "rpm", "-qp", "--nosignature", "--requires", rpmOf(built(t))); strings.Contains(said, ".so") {
		t.Errorf("the .rpm requires libraries: %s", said)
	}
}

// The documents of the package link to one another, and to the tree's addresses
// where a file is not in the package.
func TestLinksAsInstalled(t *testing.T) {
	if documents, links := followLinks(t, unpacked(t)+"/usr/share/doc/dmsnapctl"); documents < 10 || links < 30 {
		t.Errorf("%d documents with %d links: some are not found any more", documents, links)
	}
}

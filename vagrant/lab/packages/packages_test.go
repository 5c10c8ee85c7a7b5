//go:build linux

package packages

import (
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	if got := Missing("dmsnapctl-no-such-package"); len(got) != 1 {
		t.Errorf("missing %v", got)
	}
}

func TestNothingToInstallNeedsNothing(t *testing.T) {
	t.Setenv("PATH", "")
	if err := Install(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestInstallWithoutPackageManager(t *testing.T) {
	t.Setenv("PATH", "")
	err := Install(t.Output(), "one", "two")
	if err == nil || !strings.Contains(err.Error(), "one two: this machine has no apt-get") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q", err)
	}
}

func TestSourceOfAnotherSuite(t *testing.T) {
	const targets = `Translations main stable http://mirror/debian/ /key.gpg
Packages main stable-security http://mirror/security/ /key.gpg
Packages contrib stable http://mirror/debian/ /key.gpg
Packages main stable http://mirror/debian/ /key.gpg
`
	for _, test := range []struct{ suite, targets, want string }{
		{Unstable, targets, "deb [signed-by=/key.gpg] http://mirror/debian/ sid main"},
		{Backports, targets, "deb [signed-by=/key.gpg] http://mirror/debian/ stable-backports main"},
		{Unstable, "Packages main old http://m/ \n", "deb http://m/ sid main"},
	} {
		if got, err := sourceOf(test.suite, test.targets); got != test.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", test.suite, got, err, test.want)
		}
	}
	if got, err := sourceOf(Unstable, "Packages main a/b http://m/"); err == nil {
		t.Errorf("no mirror: %q", got)
	}
}

func TestDependsOf(t *testing.T) {
	const text = "Package: a\nPre-Depends: no\nDepends: b (= 1), c | d, e:any\n\nPackage: a\nDepends: old\n"
	if got := strings.Join(dependsOf(text), " "); got != "b c e:any" {
		t.Errorf("%q", got)
	}
}

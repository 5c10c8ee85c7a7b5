// Names of kernels, and where each is stored.

package kernels

import (
	"path/filepath"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
)

// Name names a kernel of the lab.
type Name struct {
	Engine lab.Engine
	// Series is the first two numbers of its release.
	Series string
}

func (n Name) String() string { return string(n.Engine) + "-" + n.Series }

func (n Name) place() (string, error) {
	cache, err := lab.CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "kernels", n.String()), nil
}

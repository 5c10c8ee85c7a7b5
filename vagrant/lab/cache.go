// Where the lab keeps files that take long to make.

//go:build linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// cacheVariable names the cache directory, for machines where the user's own
// must not be used.
const cacheVariable = "DMSNAPCTL_CACHE"

// CacheDir returns the directory for files that are built once per machine,
// outside the source tree. It may not exist yet.
func CacheDir() (string, error) {
	if dir := os.Getenv(cacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set %s): %w", cacheVariable, err)
	}
	return filepath.Join(dir, "dmsnapctl"), nil
}

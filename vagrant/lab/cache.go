// Where the lab keeps what takes long to make.

//go:build linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// cacheVariable names the cache directory, for machines on which the user's own
// is not to be used.
const cacheVariable = "DMSNAPCTL_CACHE"

// CacheDir is the directory for what is built once per machine, outside the
// source tree. It need not exist yet.
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

//go:build !linux

package blockdev

// StartWriteback is a hint, which nothing takes here.
func StartWriteback(any, int64, int64) {}

// StartReading is a hint, which nothing takes here.
func StartReading(any, int64, int64) {}

// Reserve reports false: nothing is allocated in advance here.
func Reserve(any, int64, int64) bool { return false }

// Punch makes no holes here.
func Punch(any, int64, int64) {}

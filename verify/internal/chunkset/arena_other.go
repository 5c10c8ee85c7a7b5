//go:build !linux

package chunkset

func preferHugePages(memory) {}

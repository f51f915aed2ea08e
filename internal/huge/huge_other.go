//go:build !linux

// Package huge asks the kernel for huge pages under large pieces of memory.
package huge

// Pages returns s.
func Pages[T any](s []T) []T { return s }

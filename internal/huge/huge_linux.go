// Package huge asks the kernel for huge pages under large pieces of memory.
package huge

import (
	"syscall"
	"unsafe"
)

// hugePage is the size of a huge page on x86-64 and arm64.
const hugePage = 2 << 20

// Pages asks for huge pages under fresh memory s, up to its capacity,
// that is about to be filled, and returns s: a page fault for each 4 KiB costs as much as walking the text that fills them.
// It is a hint. If the kernel refuses it, nothing changes.
func Pages[T any](s []T) []T {
	size := uintptr(cap(s)) * unsafe.Sizeof(*new(T))
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	first := (begin + hugePage - 1) &^ (hugePage - 1)
	last := (begin + size) &^ (hugePage - 1)
	if size < hugePage || last <= first {
		return s
	}
	inside := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), first-begin)), last-first)
	_ = syscall.Madvise(inside, syscall.MADV_HUGEPAGE) // refused where the kernel has none
	return s
}

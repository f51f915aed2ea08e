package sandbox

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_AARCH64
	x32  = 0
)

// Calls of this architecture only.
var machineDenied, machineAllowed []uintptr

package sandbox

import "golang.org/x/sys/unix"

const (
	arch = unix.AUDIT_ARCH_AARCH64
	x32  = 0
)

// What only this machine has.
var machineDenied, machineAllowed []uintptr

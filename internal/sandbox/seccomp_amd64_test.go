package sandbox

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The older forms of a call are denied like the newer ones.
func TestOldAttributeCalls(t *testing.T) {
	for name, number := range map[string]uintptr{
		"chmod": unix.SYS_CHMOD, "chown": unix.SYS_CHOWN, "lchown": unix.SYS_LCHOWN,
		"utime": unix.SYS_UTIME, "utimes": unix.SYS_UTIMES, "futimesat": unix.SYS_FUTIMESAT,
	} {
		if action, errno := decide(t, denyList(), arch, number); action != unix.SECCOMP_RET_ERRNO || errno != unix.EPERM {
			t.Errorf("%s: got action %#x, %v; want EPERM", name, action, errno)
		}
	}
}

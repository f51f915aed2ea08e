package access

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// object is the file of an attribute call, in the forms that calls take.
type object struct {
	path uintptr // of a string
	fd   uintptr
}

// form is one system call that changes an attribute.
type form func(o object) error

const (
	here  = ^uintptr(99) // AT_FDCWD
	empty = unix.AT_EMPTY_PATH
)

var (
	emptyString = [1]byte{}
	xattrName   = []byte("user.ktstr\x00")
	xattrValue  = []byte("x")
	noTimes     [64]byte // two timeval, timespec or utimbuf of zero
)

func pointer(b *byte) uintptr { return uintptr(unsafe.Pointer(b)) }

// modeCalls and the others are the forms that all architectures have, and those
// of this one.
func modeCalls() []form {
	return append(oldModeCalls(),
		func(o object) error { return call(unix.SYS_FCHMOD, o.fd, 0o600, 0) },
		func(o object) error { return call(unix.SYS_FCHMODAT, here, o.path, 0o600) },
		func(o object) error { return call6(unix.SYS_FCHMODAT2, here, o.path, 0o600, 0) },
		func(o object) error { return call6(unix.SYS_FCHMODAT2, o.fd, pointer(&emptyString[0]), 0o600, empty) })
}

func ownerCalls() []form {
	uid, gid := uintptr(os.Getuid()), uintptr(os.Getgid())
	return append(oldOwnerCalls(uid, gid),
		func(o object) error { return call(unix.SYS_FCHOWN, o.fd, uid, gid) },
		func(o object) error { return call6(unix.SYS_FCHOWNAT, here, o.path, uid, gid, 0) })
}

func timeCalls() []form {
	times := pointer(&noTimes[0])
	return append(oldTimeCalls(times),
		func(o object) error { return call6(unix.SYS_UTIMENSAT, here, o.path, times, 0) },
		func(o object) error { return call6(unix.SYS_UTIMENSAT, o.fd, 0, times, 0) })
}

func xattrCalls() []form {
	name, value := pointer(&xattrName[0]), pointer(&xattrValue[0])
	// struct xattr_args: value, size, flags
	args := struct {
		value uint64
		size  uint32
		flags uint32
	}{uint64(value), 1, 0}
	return []form{
		func(o object) error { return call6(unix.SYS_SETXATTR, o.path, name, value, 1, 0) },
		func(o object) error { return call6(unix.SYS_LSETXATTR, o.path, name, value, 1, 0) },
		func(o object) error { return call6(unix.SYS_FSETXATTR, o.fd, name, value, 1, 0) },
		func(o object) error {
			return call6(unix.SYS_SETXATTRAT, here, o.path, 0, name, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args))
		},
		func(o object) error { return call(unix.SYS_REMOVEXATTR, o.path, name, 0) },
		func(o object) error { return call(unix.SYS_LREMOVEXATTR, o.path, name, 0) },
		func(o object) error { return call(unix.SYS_FREMOVEXATTR, o.fd, name, 0) },
		func(o object) error { return call6(unix.SYS_REMOVEXATTRAT, here, o.path, 0, name) },
	}
}

// flagCalls change inode flags, as chattr does.
func flagCalls() []form {
	flags := struct{ bytes [64]byte }{}
	return []form{
		func(o object) error {
			return call(unix.SYS_IOCTL, o.fd, unix.FS_IOC_SETFLAGS, uintptr(unsafe.Pointer(&flags)))
		},
		func(o object) error { return call(unix.SYS_IOCTL, o.fd, 0x401c5820, uintptr(unsafe.Pointer(&flags))) }, // FS_IOC_FSSETXATTR
		func(o object) error {
			return call6(unix.SYS_FILE_SETATTR, here, o.path, uintptr(unsafe.Pointer(&flags)), 24, 0)
		},
	}
}

// attributeCalls tries all forms on a file of this process's user: one in its own
// directory, else the given one. It returns nil if one form succeeded.
func attributeCalls(path string, forms func() []form) error {
	if f, err := os.CreateTemp(os.Getenv("TMPDIR"), "own"); err == nil {
		path = f.Name()
		f.Close()
		defer os.Remove(path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	// Without a readable file the calls by descriptor fail. The others do not open it.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	var errs []error
	for _, f := range forms() {
		errs = append(errs, f(object{path: pointer(name), fd: uintptr(fd)}))
	}
	runtime.KeepAlive(name)
	return anyForm(errs)
}

// call6 makes a system call with up to six arguments for its error.
func call6(trap uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// ioUring makes a ring.
func ioUring(Targets) error {
	var params [120]byte
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// fork makes more processes than the sandbox allows. They wait, and are killed.
func fork(Targets) error {
	const more = 200
	var children []int
	defer func() {
		for _, pid := range children {
			unix.Kill(pid, unix.SIGKILL)
			for {
				if _, err := unix.Wait4(pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
					break
				}
			}
		}
	}()
	for range more {
		pid, err := forkWaiting()
		if err != nil {
			return err
		}
		children = append(children, pid)
	}
	return nil
}

// forkWaiting forks a child that only waits. The child makes nothing but system
// calls, because it has one thread of the Go runtime.
//
//go:norace
//go:nosplit
func forkWaiting() (int, error) {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	for pid == 0 {
		unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
	return int(pid), nil
}

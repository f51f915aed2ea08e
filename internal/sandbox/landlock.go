package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	readFile  = unix.LANDLOCK_ACCESS_FS_READ_FILE
	read      = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR
	execFile  = unix.LANDLOCK_ACCESS_FS_EXECUTE
	writeFile = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	// socketDir is the access to the plugin's own directory.
	socketDir = read | writeFile | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// readable lists the paths that the runtimes of Go, C, Python, Perl, awk and the
// shell read when they start. None holds files of a user.
var readable = []struct {
	path   string
	access uint64
}{
	{"/usr", read | execFile}, {"/bin", read | execFile}, {"/sbin", read | execFile},
	{"/lib", read | execFile}, {"/lib32", read | execFile}, {"/lib64", read | execFile},
	{"/nix/store", read | execFile}, {"/gnu/store", read | execFile},
	{"/etc/alternatives", read}, {"/etc/ld.so.cache", readFile}, {"/etc/ld.so.conf", readFile}, {"/etc/ld.so.conf.d", read},
	{"/etc/localtime", readFile}, {"/etc/perl", read},
	{"/dev/null", readFile | writeFile}, {"/dev/zero", readFile | writeFile}, {"/dev/full", readFile | writeFile},
	{"/dev/random", readFile}, {"/dev/urandom", readFile},
	{"/proc/self", read}, {"/proc/cpuinfo", readFile}, {"/proc/meminfo", readFile}, {"/proc/stat", readFile}, {"/proc/sys", read},
	{"/sys/kernel/mm/transparent_hugepage", read}, {"/sys/devices/system/cpu", read}, {"/sys/devices/system/node", read}, {"/sys/fs/cgroup", read},
}

// filesABI returns the kernel's version of Landlock, 0 if it has none.
func filesABI() int {
	abi, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

// restrictFiles puts the calling thread into a Landlock domain and returns the
// kernel's version of it. no_new_privs must be set.
func restrictFiles(p Policy, program *os.File) (abi int, err error) {
	if abi = filesABI(); abi == 0 {
		return 0, errors.New("the kernel has no Landlock")
	}
	all := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1) // those of the first version
	attr := unix.LandlockRulesetAttr{}
	if abi >= 2 {
		all |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		all |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 5 {
		all |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	attr.Handled_access_fs = all
	set, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return abi, fmt.Errorf("ruleset of Landlock: %w", errno)
	}
	defer unix.Close(int(set))
	rule := func(fd int, access uint64) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			access &= readFile | writeFile | execFile | unix.LANDLOCK_ACCESS_FS_TRUNCATE
		}
		beneath := unix.LandlockPathBeneathAttr{Allowed_access: access & all, Parent_fd: int32(fd)}
		if _, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, set, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&beneath)), 0, 0, 0); errno != 0 {
			return errno
		}
		return nil
	}
	path := func(path string, access uint64) error {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil // not there, so nothing to allow
		}
		defer unix.Close(fd)
		if err := rule(fd, access); err != nil {
			return fmt.Errorf("rule of Landlock for %s: %w", path, err)
		}
		return nil
	}
	for _, r := range readable {
		if err := path(r.path, r.access); err != nil {
			return abi, err
		}
	}
	if err := rule(int(program.Fd()), readFile|execFile); err != nil {
		return abi, fmt.Errorf("rule of Landlock for the plugin: %w", err)
	}
	if p.Interpreter != nil {
		system, _ := filepath.Glob("/etc/python3*") // of Debian's site module
		for _, dir := range system {
			if err := path(dir, read); err != nil {
				return abi, err
			}
		}
		for _, name := range append([]string{p.Interpreter.Path}, p.Interpreter.Read...) {
			if err := path(name, read|execFile); err != nil {
				return abi, err
			}
		}
	}
	if p.Write != "" {
		if err := path(p.Write, socketDir); err != nil {
			return abi, err
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return abi, fmt.Errorf("restriction by Landlock: %w", errno)
	}
	return abi, nil
}

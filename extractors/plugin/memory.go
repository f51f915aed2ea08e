package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

const groupPrefix = "ktstr-plugin-"

// memoryLimit is the memory in bytes that one plugin may use with all its
// processes: a fixed amount, but at most half of the machine's.
func memoryLimit() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return sandbox.TotalMemory
	}
	return min(sandbox.TotalMemory, uint64(info.Totalram)*uint64(info.Unit)/2)
}

// groupParent returns the cgroup of this process in the hierarchy of the memory
// controller, if its children can have a memory limit.
func groupParent() (dir string, version int, err error) {
	h := cgroup.WithController("memory")
	if dir, err = h.Own(); err != nil || h.Version == 1 {
		return dir, h.Version, err
	}
	enabled, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err == nil && !slices.Contains(strings.Fields(string(enabled)), "memory") {
		err = errors.New("the memory controller is not enabled for the children of this cgroup")
	}
	return dir, h.Version, err
}

// makeGroup makes a cgroup with a memory limit for one plugin process.
func makeGroup(limit uint64) (dir string, err error) {
	parent, version, err := groupParent()
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(parent, fmt.Sprintf("%s%d-", groupPrefix, os.Getpid())); err != nil {
		return "", err
	}
	set := func(name, value string) error {
		return os.WriteFile(filepath.Join(dir, name), []byte(value), 0)
	}
	bytes := strconv.FormatUint(limit, 10)
	if version == 1 {
		err = set("memory.limit_in_bytes", bytes)
		set("memory.memsw.limit_in_bytes", bytes) // not every kernel counts swap
	} else {
		err = set("memory.max", bytes)
		set("memory.swap.max", "0")
		set("memory.oom.group", "1")
	}
	if err != nil {
		os.Remove(dir)
		return "", err
	}
	return dir, nil
}

// removeGroup removes the cgroup of a plugin that has ended. The kernel may count
// a dying process for some milliseconds more.
func removeGroup(dir string) {
	if dir == "" {
		return
	}
	for range 50 {
		if err := unix.Rmdir(dir); !errors.Is(err, unix.EBUSY) {
			return
		}
		linux.Pause(time.Millisecond)
	}
}

// sweepGroups removes the empty cgroups of hosts that were killed.
func sweepGroups() {
	parent, _, err := groupParent()
	if err != nil {
		return
	}
	groups, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*"))
	for _, dir := range groups {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		if pid, err := strconv.Atoi(owner); err == nil && unix.Kill(pid, 0) == unix.ESRCH {
			unix.Rmdir(dir)
		}
	}
}

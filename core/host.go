package core

import (
	"bufio"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Host describes the host of a run, so that readers can tell whether two runs are
// comparable. A field that could not be read is empty or 0.
type Host struct {
	Name     string `json:"name"`
	Kernel   string `json:"kernel"` // the release, as of `uname -r`
	Arch     string `json:"arch"`
	CPU      string `json:"cpu"`      // model
	CPUs     int    `json:"cpus"`     // that this process may use
	Governor string `json:"governor"` // of the first CPU; empty in most virtual machines
	Memory   int64  `json:"memory"`   // bytes
	// BootID is the kernel's random identity of this boot. Runs of one boot share the
	// placement of the kernel in memory, which can change a measurement.
	BootID string `json:"boot_id,omitempty"`
}

// ThisHost describes the host on which this process runs.
func ThisHost() Host {
	h := Host{Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		h.Name = unix.ByteSliceToString(u.Nodename[:])
		h.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	h.CPU = cpuModel()
	if text, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); err == nil {
		h.Governor = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		h.BootID = strings.TrimSpace(string(text))
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		h.Memory = int64(info.Totalram) * int64(info.Unit)
	}
	return h
}

// cpuModel is read once, because the kernel takes longer to print /proc/cpuinfo than a
// short payload takes to run.
var cpuModel = sync.OnceValue(func() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if key = strings.TrimSpace(key); ok && (key == "model name" || key == "Processor") {
			return strings.TrimSpace(value)
		}
	}
	return ""
})

// filesystems has the names of filesystem types by the magic numbers of statfs(2).
var filesystems = map[int64]string{
	unix.BTRFS_SUPER_MAGIC:     "btrfs",
	unix.EXT4_SUPER_MAGIC:      "ext4", // also ext2 and ext3: they share the number
	unix.F2FS_SUPER_MAGIC:      "f2fs",
	unix.FUSE_SUPER_MAGIC:      "fuse",
	unix.NFS_SUPER_MAGIC:       "nfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay",
	unix.RAMFS_MAGIC:           "ramfs",
	unix.SQUASHFS_MAGIC:        "squashfs",
	unix.TMPFS_MAGIC:           "tmpfs",
	unix.V9FS_MAGIC:            "9p",
	unix.XFS_SUPER_MAGIC:       "xfs",
	0x2fc12fc1:                 "zfs", // not in linux/magic.h; OpenZFS, include/sys/fs/zfs.h
	0xca451a4e:                 "bcachefs",
}

// filesystem returns the type of the filesystem that holds path, for example "ext4".
func filesystem(path string) string {
	var s unix.Statfs_t
	if unix.Statfs(path, &s) != nil {
		return ""
	}
	if name, ok := filesystems[int64(s.Type)&0xffffffff]; ok {
		return name
	}
	return "unknown"
}

// Package cgroup makes the cgroup of one run: a fresh leaf, into which the kernel
// places the payload at its birth. The leaf holds all descendants of the payload
// together, so it can kill them and count what they used.
//
// Creator and Leaf are the interface that package spawn uses. Hierarchy implements
// it on the mounted cgroup filesystem. It prefers cgroup v2. On v1 a leaf can be
// made and killed, and counts memory only.
//
// Read cgroup.go first, then hierarchy.go (where leaves are made), leaf.go, and
// memory.go for hosts with cgroup v1.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Creator makes the leaves of runs. Hierarchy is the Creator of the mounted
// filesystem. Tests use others, so that they need no cgroup filesystem.
type Creator interface {
	// Create makes a fresh cgroup called leaf for one run. It lies below the cgroup
	// name, which is made if it is missing. An empty name means directly below the
	// cgroup of this process. The error is a *PlacementError if the filesystem
	// refuses.
	Create(name, leaf string) (Leaf, error)
}

// Leaf is the cgroup of one run. Its methods are not safe for several goroutines,
// except Kill.
type Leaf interface {
	// Path is the directory of the leaf.
	Path() string

	// FD is a descriptor of that directory, with which the kernel places the child
	// at its birth. -1 means that the caller must use Place.
	FD() int

	// Enter prepares the calling thread to fork the child, and leave undoes that. They
	// are called on the same goroutine. A child that is forked between them is counted
	// in MemoryPeak also where only cgroup v1 has a memory controller.
	Enter() (leave func())

	// Place moves a process that has not executed anything yet into the leaf.
	Place(pid int) error

	// SetCPUs restricts the leaf to a list of processors like "0-3,7".
	SetCPUs(list string) error

	// Preload opens the files that Drain and Stat read. Calling it is optional.
	Preload()

	// Procs lists the processes in the leaf and in the cgroups below it.
	Procs() ([]int, error)

	// Kill sends SIGKILL to these processes, except those for which spare is true.
	// A nil spare kills all. Afterwards no other process may be placed in the leaf,
	// because the kernel can kill it at its birth.
	Kill(spare func(pid int) bool) error

	// Drain waits until no live process is in the leaf. The error says that there
	// still is one after the timeout. A timeout of 0 asks once.
	Drain(timeout time.Duration) error

	// Stat reads the counters of the leaf, which began at zero.
	Stat() (Stat, error)

	// Remove removes the leaf, and the cgroups above it that Create has made and
	// that are empty.
	Remove() error
}

// Stat is what the kernel has counted for a leaf.
type Stat struct {
	Path        string   // of the leaf, which no longer exists after the run
	Controllers []string // enabled in the leaf; nil: the leaf only groups and counts

	CPU, User, System time.Duration
	Throttled         time.Duration // time that a CPU quota took away
	ThrottledPeriods  int64
	MemoryPeak        int64 // bytes; 0 if no memory controller counts, neither of v2 nor of v1

	CPUPressure, MemoryPressure, IOPressure Pressure
}

// Pressure is how long tasks of a cgroup have waited for a resource.
type Pressure struct {
	Some     time.Duration // at least one task waited
	Full     time.Duration // all tasks waited
	Measured bool          // false: the kernel does not measure it
}

// NameError means that a cgroup name was refused. Nothing was spawned.
type NameError struct {
	Op      string // the operation of the caller, such as "run"; empty: none
	Name    string
	Problem string
}

func (e *NameError) Error() string {
	op := ""
	if e.Op != "" {
		op = e.Op + ": "
	}
	return fmt.Sprintf("%scgroup %q: %s: want a name relative to the cgroup that this process is in, like \"bench/a\"", op, e.Name, e.Problem)
}

// PlacementError means that the payload could not be put into its cgroup. The
// payload has not run.
type PlacementError struct {
	Binary string // the payload; empty: none yet
	Cgroup string // the name that was asked for; empty: a private leaf
	Procs  string // full path of the cgroup.procs that refused the process
	Err    error
}

func (e *PlacementError) Unwrap() error { return e.Err }

func (e *PlacementError) Error() string {
	advice := ""
	if errors.Is(e.Err, fs.ErrPermission) {
		advice = ": want it below a cgroup that is delegated to this user"
	}
	subject, cgroup := e.Binary, fmt.Sprintf("cgroup %q", e.Cgroup)
	if subject == "" {
		subject = "a process"
	}
	if e.Cgroup == "" {
		cgroup = "a cgroup of its own"
	}
	return fmt.Sprintf("%s: cannot be placed in %s (%s): %v%s", subject, cgroup, e.Procs, e.Err, advice)
}

// CheckName returns nil if name is the name of a cgroup below ours, for example
// "bench/a". Otherwise it returns a *NameError with the operation op.
func CheckName(op, name string) error {
	_, err := CleanName(op, name)
	return err
}

// CleanName is CheckName, and returns the name without a leading slash, empty
// components and ".".
func CleanName(op, name string) (string, error) {
	refuse := func(problem string) (string, error) { return "", &NameError{op, name, problem} }
	if strings.ContainsRune(name, 0) {
		return refuse("it contains a NUL byte")
	}
	if strings.ContainsRune(name, '\n') {
		return refuse("it contains a line break")
	}
	for c := range strings.SplitSeq(name, "/") {
		if c == ".." {
			return refuse("it contains \"..\"")
		}
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	if clean == "" {
		return refuse("it is empty")
	}
	return clean, nil
}

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Creator makes the cgroups that runs are placed in. Command.Cgroups replaces
// the system's, so that callers can be tested without a cgroup filesystem.
type Creator interface {
	// Create makes a fresh leaf for one run: below the named cgroup, which is
	// made if it is absent, or for the empty name a private one below the
	// cgroup that the process itself is in.
	Create(name, leaf string) (Leaf, error)
}

// Leaf is the fresh leaf of one run.
type Leaf interface {
	// Path is the directory of the leaf.
	Path() string

	// FD is a descriptor of that directory, for the kernel to place the child
	// at its birth; -1 asks for Place instead.
	FD() int

	// Place moves a process, which has not executed anything yet, into the leaf.
	Place(pid int) error

	// Preload opens what Drain and Stat are going to read. It is optional, and it
	// may do nothing.
	Preload()

	// Procs lists the processes in the leaf and below it.
	Procs() ([]int, error)

	// Kill kills all of them. The leaf is not to be used for another process
	// afterwards: the kernel may kill that one at its birth.
	Kill() error

	// Drain waits until no live process is left in the leaf.
	Drain(timeout time.Duration) error

	// SetCPUs confines the leaf to a list of processors like "0-3,7".
	SetCPUs(list string) error

	// Stat reads the counters of the leaf, which began at zero.
	Stat() (Stat, error)

	// Remove removes the leaf, and what Create had made above it.
	Remove() error
}

// Stat is what the kernel counted for the cgroup of one run, from zero.
type Stat struct {
	Path        string   // of the leaf, which is gone when a Result shows it
	Controllers []string // in force in the leaf; nil: it only groups and counts

	CPU, User, System time.Duration
	Throttled         time.Duration // time that a CPU quota took away
	ThrottledPeriods  int64
	MemoryPeak        int64 // bytes; 0 where the memory controller is not in force

	// Pressure is zero where the kernel does not measure it.
	CPUPressure, MemoryPressure, IOPressure Pressure
}

// Pressure is how long some, or all, of the tasks of a cgroup waited for a
// resource.
type Pressure struct{ Some, Full time.Duration }

// NameError says why a cgroup name is refused. Nothing was spawned.
type NameError struct{ Op, Name, Problem string }

func (e *NameError) Error() string {
	op := ""
	if e.Op != "" {
		op = e.Op + ": "
	}
	return fmt.Sprintf("%scgroup %q: %s: want a name relative to the cgroup that this process is in, like \"bench/a\"", op, e.Name, e.Problem)
}

// PlacementError says that the payload could not be put into its cgroup. It
// has not run.
type PlacementError struct {
	Binary string // empty: there was none yet
	Cgroup string // the name that was asked for; empty: none, it was to have one of its own
	Procs  string // full path of the cgroup.procs that did not take it
	Err    error
}

func (e *PlacementError) Unwrap() error { return e.Err }

func (e *PlacementError) Error() string {
	wanted := ""
	if errors.Is(e.Err, fs.ErrPermission) {
		wanted = ": want it below a cgroup that is delegated to this user"
	}
	subject, cgroup := e.Binary, fmt.Sprintf("cgroup %q", e.Cgroup)
	if subject == "" {
		subject = "a process"
	}
	if e.Cgroup == "" {
		cgroup = "a cgroup of its own"
	}
	return fmt.Sprintf("%s: cannot be placed in %s (%s): %v%s", subject, cgroup, e.Procs, e.Err, wanted)
}

// CheckName tells whether a name may be given as Command.Cgroup. op is
// the operation that the error is to name; empty: none.
func CheckName(op, name string) error {
	_, err := CleanName(op, name)
	return err
}

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

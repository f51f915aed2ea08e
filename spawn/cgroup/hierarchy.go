package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Hierarchy is a mounted cgroup hierarchy. The zero value means that none is
// mounted. It implements Creator.
type Hierarchy struct {
	Version int    // 1 or 2; 0: none is mounted
	Dir     string // where it is mounted

	root       string // the part of the hierarchy that is mounted there
	controller string // v1: one of its controllers, as in /proc/self/cgroup

	memory *Hierarchy // v1 hierarchy of the memory controller; nil: there is none
}

// Mounted is the hierarchy of this host, as FindHierarchy chooses it.
func Mounted() Hierarchy {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Hierarchy{}
	}
	return FindHierarchy(string(table))
}

// FindHierarchy chooses a hierarchy of a mount table (/proc/PID/mountinfo). It
// takes cgroup v2 wherever it is mounted, for example at /sys/fs/cgroup or at
// /sys/fs/cgroup/unified. Without v2 it takes the v1 hierarchy that is best for
// killing, which is freezer, or else one that groups.
func FindHierarchy(table string) Hierarchy {
	var memory *Hierarchy
	var v2 Hierarchy
	preferred := []string{"freezer", "pids", "memory", "cpu", "devices", "blkio", "cpuset", "name=systemd"}
	var best Hierarchy
	rank := len(preferred)
	for line := range strings.Lines(table) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 3 {
			continue
		}
		m := Hierarchy{root: unescapeMount(f[3]), Dir: unescapeMount(f[4])}
		switch g[0] {
		case "cgroup2":
			if m.Version = 2; v2.Version == 0 {
				v2 = m
			}
		case "cgroup":
			for opt := range strings.SplitSeq(g[2], ",") {
				for i, name := range preferred[:rank] {
					if opt == name {
						m.Version, m.controller = 1, name
						best, rank = m, i
						break
					}
				}
				if opt == "memory" {
					memory = &Hierarchy{Version: 1, Dir: m.Dir, root: m.root, controller: opt}
				}
			}
		}
	}
	if v2.Version == 2 {
		best = v2
	}
	best.memory = memory
	return best
}

// unescapeMount decodes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// Create makes a leaf, as Creator describes it.
func (m Hierarchy) Create(name, leaf string) (Leaf, error) {
	parent, err := m.Own()
	if err != nil {
		return nil, err
	}
	l, err := m.create(parent, name, leaf)
	if err != nil {
		return nil, &PlacementError{Cgroup: name, Procs: filepath.Join(parent, name, "cgroup.procs"), Err: err}
	}
	return l, nil
}

func (m Hierarchy) create(parent, name, leaf string) (_ Leaf, err error) {
	g := &systemLeaf{m: m, top: parent, fd: -1}
	// A run that ends now can remove the named cgroup after we have found it. Then
	// it is made again.
	for range 10 {
		g.dir = parent
		if err = g.descend(name); err == nil {
			g.dir = filepath.Join(g.dir, leaf)
			err = unix.Mkdir(g.dir, 0o755)
		}
		if err != unix.ENOENT {
			break
		}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "mkdir", Path: g.dir, Err: err}
	}
	if err := g.prepare(name != ""); err != nil {
		g.Remove()
		return nil, err
	}
	g.countMemory()
	return g, nil
}

// Open returns the leaf with the directory dir, which another process has made.
func (m Hierarchy) Open(dir string) (Leaf, error) {
	top, err := m.Own()
	if err != nil {
		return nil, err
	}
	g := &systemLeaf{m: m, dir: dir, top: top, fd: -1}
	g.memory = g.secondDir()
	if err := g.open(); err != nil {
		return nil, err
	}
	return g, nil
}

// Own is the directory of the cgroup that this process is in.
func (m Hierarchy) Own() (string, error) {
	if m.Version == 0 {
		return "", errors.New("no cgroup filesystem is mounted")
	}
	text, err := linux.ReadFile(unix.AT_FDCWD, "/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	return m.find(string(text))
}

// find returns the directory of the cgroup in the text of a /proc/PID/cgroup.
func (m Hierarchy) find(text string) (string, error) {
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, dir, _ := strings.Cut(rest, ":")
		if m.Version == 2 && id != "0" || m.Version == 1 && !slices.Contains(strings.Split(controllers, ","), m.controller) {
			continue
		}
		rel := dir
		if m.root != "/" {
			var ok bool
			if rel, ok = strings.CutPrefix(dir, m.root); !ok || rel != "" && rel[0] != '/' {
				return "", fmt.Errorf("the cgroup of this process (%s) is not below what is mounted at %s", dir, m.Dir)
			}
		}
		if strings.HasPrefix(rel, "/..") {
			return "", fmt.Errorf("the cgroup of this process (%s) is outside of its cgroup namespace", dir)
		}
		return filepath.Join(m.Dir, rel), nil
	}
	return "", errors.New("this process is in no cgroup of the mounted hierarchy")
}

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Hierarchy is the cgroup hierarchy that runs are placed in.
type Hierarchy struct {
	Version    int    // 1 or 2; 0: there is none
	Dir        string // where it is mounted
	root       string // what part of the hierarchy is mounted there
	controller string // v1: a controller of it, as /proc/self/cgroup spells it
}

// Mounted reads the mount table once: cgroup v2 wherever it is mounted
// (pure at /sys/fs/cgroup, hybrid at /sys/fs/cgroup/unified), else the v1
// hierarchy that is best at killing, or at least at grouping.
var Mounted = sync.OnceValue(func() Hierarchy {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Hierarchy{}
	}
	return FindHierarchy(string(table))
})

func FindHierarchy(table string) Hierarchy {
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
			m.Version = 2
			return m
		case "cgroup":
			for opt := range strings.SplitSeq(g[2], ",") {
				for i, name := range preferred[:rank] {
					if opt == name {
						m.Version, m.controller = 1, name
						best, rank = m, i
						break
					}
				}
			}
		}
	}
	return best
}

// unescapeMount undoes the octal escapes of mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

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
	// A run that ends may remove the named cgroup between our finding it and
	// our using it; then it is made again.
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
	return g, nil
}

// Open gives a leaf that another process has made, by the path of its directory.
func (m Hierarchy) Open(dir string) (Leaf, error) {
	top, err := m.Own()
	if err != nil {
		return nil, err
	}
	g := &systemLeaf{m: m, dir: dir, top: top, fd: -1}
	if err := g.prepare(false); err != nil {
		return nil, err
	}
	return g, nil
}

// own is the directory of the cgroup that this process is in.
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

func (m Hierarchy) find(text string) (string, error) {
	for line := range strings.Lines(text) {
		id, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, dir, _ := strings.Cut(rest, ":")
		if m.Version == 2 && id != "0" || m.Version == 1 && !contains(controllers, m.controller) {
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

func contains(list, item string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == item {
			return true
		}
	}
	return false
}

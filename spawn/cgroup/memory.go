package cgroup

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// On a host with cgroup v1, and on a hybrid one, cgroup v2 has no memory controller.
// There a leaf has a second cgroup, in the v1 hierarchy of that controller. It only
// counts: the processes of a run are found and killed by the leaf.

// memoryParents has the directory for the second cgroup by its hierarchy. It is looked
// up once, because /proc/self/cgroup is about the main thread, which can be in the
// second cgroup of a run that is just starting.
var memoryParents = struct {
	sync.Mutex
	known map[Hierarchy]string
}{known: map[Hierarchy]string{}}

// memoryParent returns the cgroup of this process in a v1 hierarchy with the memory
// controller. It is empty if that does not count for the cgroups above it, because
// then a run would escape their limits.
func memoryParent(m Hierarchy) string {
	memoryParents.Lock()
	defer memoryParents.Unlock()
	dir, ok := memoryParents.known[m]
	if !ok {
		dir, _ = m.Own()
		if text, err := os.ReadFile(filepath.Join(dir, "memory.use_hierarchy")); err != nil || string(bytes.TrimSpace(text)) != "1" {
			dir = ""
		}
		memoryParents.known[m] = dir
	}
	return dir
}

// countMemory makes the second cgroup, if the host lets us.
func (g *systemLeaf) countMemory() {
	if dir := g.secondDir(); dir != "" && unix.Mkdir(dir, 0o755) == nil {
		g.memory = dir
	}
}

// secondDir is where the second cgroup of the leaf is, if it has one.
func (g *systemLeaf) secondDir() string {
	if g.m.memory == nil {
		return ""
	}
	parent := memoryParent(*g.m.memory)
	if parent == "" {
		return ""
	}
	return filepath.Join(parent, filepath.Base(g.dir))
}

func (g *systemLeaf) Enter() (leave func()) {
	if g.memory == "" {
		return func() {}
	}
	runtime.LockOSThread()
	thread := strconv.Itoa(unix.Gettid())
	moved := writeFile(filepath.Join(g.memory, "tasks"), thread) == nil
	return func() {
		if moved && writeFile(filepath.Join(filepath.Dir(g.memory), "tasks"), thread) != nil {
			return // still locked, the thread ends with its goroutine
		}
		runtime.UnlockOSThread()
	}
}

// memoryPeak returns the peak of the second cgroup in bytes. 0: there is none.
func (g *systemLeaf) memoryPeak() int64 {
	if g.memory == "" {
		return 0
	}
	text, err := linux.ReadFile(unix.AT_FDCWD, filepath.Join(g.memory, "memory.max_usage_in_bytes"))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return n
}

package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// WithController returns the mounted hierarchy that has the controller, for
// example "memory". The zero value means that there is none.
func WithController(name string) Hierarchy {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Hierarchy{}
	}
	for line := range strings.Lines(string(table)) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 3 {
			continue
		}
		m := Hierarchy{root: unescapeMount(f[3]), Dir: unescapeMount(f[4])}
		switch {
		case g[0] == "cgroup" && slices.Contains(strings.Split(g[2], ","), name):
			m.Version, m.controller = 1, name
			return m
		case g[0] == "cgroup2":
			list, err := os.ReadFile(filepath.Join(m.Dir, "cgroup.controllers"))
			if err == nil && slices.Contains(strings.Fields(string(list)), name) {
				m.Version = 2
				return m
			}
		}
	}
	return Hierarchy{}
}

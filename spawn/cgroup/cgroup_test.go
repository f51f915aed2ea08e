package cgroup

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) { // C19
	for _, tt := range []struct{ name, want, problem string }{
		{"a", "a", ""}, {"/a", "a", ""}, {"a/b", "a/b", ""}, {"a//b/./c/", "a/b/c", ""}, {"..a", "..a", ""},
		{"", "", "empty"}, {"/", "", "empty"}, {".", "", "empty"}, {"a\x00b", "", "NUL"}, {"a\nb", "", "line break"},
		{"..", "", `".."`}, {"a/../b", "", `".."`}, {"/../a", "", `".."`}, {"a/..", "", `".."`},
	} {
		got, err := CleanName("run", tt.name)
		if got != tt.want || (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%q: got %q, %v, want %q, %q", tt.name, got, err, tt.want, tt.problem)
		}
	}
}

func TestFindMount(t *testing.T) { // C20, C22
	for _, tt := range []struct {
		name, table, cgroup string
		version             int
		own                 string
	}{
		{"pure v2", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/user.slice/a.scope\n", 2, "/sys/fs/cgroup/user.slice/a.scope"},
		{"hybrid", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "2:cpu,cpuacct:/x\n0::/\n", 2, "/sys/fs/cgroup/unified"},
		{"v1", "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n33 31 0:30 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n", "3:freezer:/f\n2:cpu,cpuacct:/x\n", 1, "/sys/fs/cgroup/freezer/f"},
		{"container without a namespace", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/abc/x\n", 2, "/sys/fs/cgroup/x"},
		{"outside of the mount", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/abcd\n", 2, ""},
		{"outside of the namespace", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/../x\n", 2, ""},
		{"a space", `30 23 0:26 / /mnt/a\040b rw - cgroup2 cgroup2 rw` + "\n", "0::/\n", 2, "/mnt/a b"},
		{"none", "22 27 0:21 / /proc rw - proc proc rw\n", "", 0, ""},
	} {
		m := FindHierarchy(tt.table)
		own, err := m.find(tt.cgroup)
		if m.Version != tt.version || own != tt.own || (err == nil) != (tt.own != "") {
			t.Errorf("%s: version %d, own %q, %v, want %d, %q", tt.name, m.Version, own, err, tt.version, tt.own)
		}
	}
}

func TestPlacementErrorHasNoHoles(t *testing.T) {
	err := &PlacementError{Procs: "/sys/fs/cgroup/cgroup.procs", Err: os.ErrPermission}
	if want := "a process: cannot be placed in a cgroup of its own (/sys/fs/cgroup/cgroup.procs): permission denied: want it below a cgroup that is delegated to this user"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

// The counters of a leaf come from the files with their names.
func TestStatReadsEachFile(t *testing.T) { // C23
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cgroup.controllers": "cpu memory\n",
		"cgroup.events":      "populated 0\nfrozen 0\n",
		"cpu.stat":           "usage_usec 10\nuser_usec 7\nsystem_usec 3\nnr_throttled 2\nthrottled_usec 5\n",
		"memory.peak":        "4096\n",
		"cpu.pressure":       "some total=1\nfull total=2\n",
		"memory.pressure":    "some total=3\nfull total=4\n",
		"io.pressure":        "some total=5\nfull total=6\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const us = time.Microsecond
	want := Stat{
		Path: dir, Controllers: []string{"cpu", "memory"}, CPU: 10 * us, User: 7 * us, System: 3 * us,
		Throttled: 5 * us, ThrottledPeriods: 2, MemoryPeak: 4096,
		CPUPressure: Pressure{1 * us, 2 * us, true}, MemoryPressure: Pressure{3 * us, 4 * us, true}, IOPressure: Pressure{5 * us, 6 * us, true},
	}
	g := &systemLeaf{m: Hierarchy{Version: 2}, dir: dir, top: filepath.Dir(dir), fd: -1}
	if err := g.open(); err != nil {
		t.Fatal(err)
	}
	defer g.Remove()
	if got, err := g.Stat(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

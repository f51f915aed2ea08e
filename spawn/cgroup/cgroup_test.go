package cgroup

import (
	"os"
	"strings"
	"testing"
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

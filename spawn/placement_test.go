package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"golang.org/x/sys/unix"
)

func TestCgroupNames(t *testing.T) { // C19
	for op, start := range map[string]func(Command) error{
		"run":   func(c Command) error { _, err := Run(context.Background(), c); return err },
		"start": func(c Command) error { _, err := Start(context.Background(), c); return err },
	} {
		err := start(Command{Path: "/bin/true", Cgroup: "../x"})
		if _, ok := errors.AsType[*cgroup.NameError](err); !ok || !strings.Contains(err.Error(), op) {
			t.Errorf("%s: error %v, want one that names the operation", op, err)
		}
	}
}

func TestPlacement(t *testing.T) { // C20
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	name := cgroupName(t)
	runs := soak(100, 500)
	outside := 0
	var stat *cgroup.Stat
	for i := range runs {
		c := Command{Path: "/bin/cat", Args: []string{"/proc/self/cgroup"}}
		if i%2 == 0 {
			c.Cgroup = name + "/inner"
		}
		res := mustRun(t, c)
		stat = res.Cgroup
		if stat == nil {
			t.Fatal("no cgroup")
		}
		if want := "0::" + "/" + strings.TrimPrefix(strings.TrimPrefix(stat.Path, mounted().Dir), "/") + "\n"; !strings.Contains(string(res.Stdout.Data), want) {
			outside++
			t.Logf("in %q, want %q", res.Stdout.Data, want)
		}
		if i%2 == 0 && !strings.HasPrefix(stat.Path, filepath.Join(own, name, "inner")+"/ktstr-") {
			t.Fatalf("leaf %s, want it below %s/inner", stat.Path, name)
		}
	}
	if outside != 0 {
		t.Errorf("%d of %d ran outside of their cgroup", outside, runs)
	}
	if _, err := os.Stat(filepath.Join(own, name)); err == nil {
		t.Errorf("the cgroup %s, which we made, is still there", name)
	}
}

func TestCgroupStatCountsTheRun(t *testing.T) { // C23
	needsCgroup(t)
	res := mustRun(t, help("spin=100"))
	if res.Cgroup == nil || res.Cgroup.CPU < 50*time.Millisecond || res.Cgroup.CPU > res.Payload.User+res.Payload.System+time.Second {
		t.Errorf("cgroup %+v, payload %+v", res.Cgroup, res.Payload)
	}
	if res.Payload.User+res.Payload.System < 50*time.Millisecond {
		t.Errorf("payload %+v", res.Payload)
	}
}

func TestNamedCgroupIsKeptIfItWasThere(t *testing.T) { // C19
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("spawnkeep-%d", os.Getpid())
	dir := filepath.Join(own, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	mustRun(t, Command{Path: "/bin/true", Cgroup: name + "/made"})
	entries, err := filepath.Glob(dir + "/*/cgroup.procs")
	if err != nil || len(entries) != 0 {
		t.Errorf("left in it: %v, %v", entries, err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("what was there before was removed: %v", err)
	}
}

// Overlapping runs share the cgroup that the first one makes. The last one removes it.
func TestNamedCgroupOfSeveralRuns(t *testing.T) { // C19
	needsCgroup(t)
	name := cgroupName(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if _, err := Run(context.Background(), Command{Path: "/bin/true", Cgroup: name}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// killed makes leaves that were killed before.
type killed struct{ cgroup.Hierarchy }

func (k killed) Create(name, id string) (cgroup.Leaf, error) {
	leaf, err := k.Hierarchy.Create(name, id)
	if err == nil {
		err = leaf.Kill(nil)
	}
	return leaf, err
}

// The kernel kills a child at its birth in a cgroup that was killed once. ForkExec
// takes that for a success.
func TestPlacementInAKilledCgroup(t *testing.T) { // C21
	needsCgroup(t)
	name := cgroupName(t)
	c := Command{Path: "/bin/true", Cgroup: name, Cgroups: killed{mounted()}}
	if res, err := Run(context.Background(), c); err == nil {
		// This kernel does not do that, so the run is normal.
		if res.ExitCode != 0 {
			t.Errorf("exit %d by %q without a placement error", res.ExitCode, res.Signal)
		}
		return
	}
	wantMisplaced(t, c, "birth")
}

// frozen makes leaves that another process freezes before the child is born.
// They thaw after 30 s, so that a test of a placement without a limit ends.
type frozen struct{ cgroup.Hierarchy }

func (f frozen) Create(name, id string) (cgroup.Leaf, error) {
	leaf, err := f.Hierarchy.Create(name, id)
	if err == nil {
		err = os.WriteFile(leaf.Path()+"/cgroup.freeze", []byte("1"), 0)
		time.AfterFunc(30*time.Second, func() { os.WriteFile(leaf.Path()+"/cgroup.freeze", []byte("0"), 0) })
	}
	return leaf, err
}

// A child that cannot start in its cgroup is an error after 10 s at the most.
func TestPlacementHasALimit(t *testing.T) { // C21
	needsCgroup(t)
	name := cgroupName(t)
	wantMisplaced(t, Command{Path: "/bin/true", Cgroup: name, Cgroups: frozen{mounted()}}, "birth")
}

// Each run has a fresh leaf, so a run after a killed one is normal.
func TestRunAfterAKilledOne(t *testing.T) { // C21
	needsCgroup(t)
	name := cgroupName(t)
	for range 5 {
		p, err := Start(context.Background(), func() Command { c := help("hang"); c.Cgroup = name; return c }())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		if res := mustRun(t, Command{Path: "/bin/true", Cgroup: name}); res.ExitCode != 0 {
			t.Fatalf("exit %d by %q", res.ExitCode, res.Signal)
		}
	}
}

func TestPlacementInAFrozenCgroup(t *testing.T) { // C21
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	name := cgroupName(t)
	dir := filepath.Join(own, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/cgroup.freeze", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	wantMisplaced(t, Command{Path: "/bin/true", Cgroup: name}, "frozen")
	os.Remove(dir)
}

func TestPlacementErrors(t *testing.T) { // C21
	needsCgroup(t)
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	name := cgroupName(t)
	dir := filepath.Join(own, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(dir)
	if err := os.WriteFile(dir+"/cgroup.max.descendants", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	wantMisplaced(t, Command{Path: "/bin/true", Cgroup: name})
	wantMisplaced(t, Command{Path: "/bin/true", Cgroup: strings.Repeat("x", 5000)})
	os.WriteFile(dir+"/cgroup.max.descendants", []byte("max"), 0)
	// The cpuset controller is not enabled here. A wrong list is refused too.
	wantMisplaced(t, Command{Path: "/bin/true", Cgroup: name, CPUs: "99999"}, "cpuset")
	os.Remove(dir)
}

// An error of a Creator that knows no path still names the program, the cgroup and its file.
func TestCreatorThatFails(t *testing.T) { // C21
	cause := errors.New("there is no hierarchy")
	_, err := Run(context.Background(), Command{Path: "/bin/true", Cgroup: "bench", Cgroups: &fakeCgroups{err: cause}})
	e, ok := errors.AsType[*cgroup.PlacementError](err)
	if !ok || !errors.Is(err, cause) {
		t.Fatalf("error %v, want a PlacementError because %v", err, cause)
	}
	if e.Binary != "/bin/true" || e.Cgroup != "bench" || e.Procs != "bench/cgroup.procs" {
		t.Errorf("error %+v, want the program, the cgroup and bench/cgroup.procs", e)
	}
}

func TestPlacementWithoutClone3(t *testing.T) { // C20
	needsCgroup(t)
	stopped(t)
	name := cgroupName(t)
	for range 100 {
		res := mustRun(t, Command{Path: "/bin/cat", Args: []string{"/proc/self/cgroup"}, Cgroup: name})
		if want := strings.TrimPrefix(res.Cgroup.Path, mounted().Dir) + "\n"; !strings.Contains(string(res.Stdout.Data), want) {
			t.Fatalf("in %q, want %q", res.Stdout.Data, want)
		}
	}
	c := help("setsid=hang", "exit=3")
	c.Cgroup = name
	if res := mustRun(t, c); res.ExitCode != 3 || len(res.Killed) != 1 {
		t.Errorf("exit %d, killed %v", res.ExitCode, res.Killed)
	}
	// Without a name the run has no cgroup.
	if res := mustRun(t, help("exit=2")); res.Cgroup != nil || res.ExitCode != 2 {
		t.Errorf("cgroup %v, exit %d", res.Cgroup, res.ExitCode)
	}
}

func TestPlacementOnCgroupV1(t *testing.T) { // C20
	needsCgroup(t)
	v1 := cgroup.FindHierarchy(withoutV2(t))
	if v1.Version == 0 {
		t.Skip("no cgroup v1 hierarchy is mounted on this host: v2 is all that it has to offer")
	}
	name := fmt.Sprintf("spawntest-%d", os.Getpid())
	for range 20 {
		c := Command{Path: "/bin/cat", Args: []string{"/proc/self/cgroup"}, Cgroup: name, Cgroups: v1}
		res := mustRun(t, c)
		if want := ":" + strings.TrimPrefix(res.Cgroup.Path, v1.Dir) + "\n"; !strings.Contains(string(res.Stdout.Data), want) {
			t.Fatalf("in %q, want %q", res.Stdout.Data, want)
		}
	}
	c := help("bg=hang", "daemon=hang", "exit=3")
	c.Cgroup, c.Cgroups = name, v1
	res := mustRun(t, c)
	for _, pid := range pids(t, res.Stdout.Data) {
		if alive(pid) {
			t.Errorf("%d is alive", pid)
		}
	}
	if _, err := os.Stat(filepath.Join(v1.Dir, name)); err == nil {
		os.Remove(filepath.Join(v1.Dir, name))
	}
	if left, _ := filepath.Glob(v1.Dir + "/" + name + "/*/tasks"); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// fakeCgroups fails, or makes a leaf that refuses every process.
type fakeCgroups struct {
	cgroup.Leaf
	err     error
	removed int
}

func (f *fakeCgroups) Create(_, _ string) (cgroup.Leaf, error) { return f, f.err }

func (f *fakeCgroups) Preload() {}

func (f *fakeCgroups) Enter() func() { return func() {} }

func (f *fakeCgroups) Path() string { return "/fake" }

func (f *fakeCgroups) FD() int { return -1 }

func (f *fakeCgroups) Place(int) error { return unix.EBUSY }

func (f *fakeCgroups) Kill(func(int) bool) error { return nil }

func (f *fakeCgroups) Remove() error { f.removed++; return nil }

func TestCgroupsStandBehindAnInterface(t *testing.T) { // C21, C22, C23
	f := &fakeCgroups{}
	wantMisplaced(t, Command{Path: "/bin/true", Cgroup: "x", Cgroups: f}, "busy")
	if f.removed != 1 {
		t.Errorf("the leaf was removed %d times", f.removed)
	}
	f = &fakeCgroups{err: unix.EACCES}
	if res := mustRun(t, Command{Path: "/bin/true", Cgroups: f}); res.Cgroup != nil {
		t.Errorf("cgroup %v, want none where none can be made", res.Cgroup)
	}
}

// After a start that failed for another reason, later runs still get a cgroup.
func TestFailedStartsKeepTheCgroup(t *testing.T) { // C22
	needsCgroup(t)
	for _, c := range []Command{{Path: t.TempDir()}, {Path: "/bin/true", Args: []string{"a\x00b"}}} {
		if _, err := Run(context.Background(), c); err == nil {
			t.Errorf("%q %q was started", c.Path, c.Args)
		}
		if res := mustRun(t, Command{Path: "/bin/true"}); res.Cgroup == nil {
			t.Errorf("after %q %q: no cgroup", c.Path, c.Args)
		}
	}
	if left := leaves(t, os.Getpid()); len(left) != 0 {
		t.Errorf("cgroups left: %v", left)
	}
}

func wantMisplaced(t *testing.T, c Command, words ...string) {
	t.Helper()
	start := time.Now()
	res, err := Run(context.Background(), c)
	e, ok := errors.AsType[*cgroup.PlacementError](err)
	if !ok {
		t.Fatalf("result %+v, error %v, want a PlacementError", res, err)
	}
	if e.Cgroup != c.Cgroup || !strings.HasSuffix(e.Procs, "/cgroup.procs") || !strings.HasPrefix(e.Procs, "/") {
		t.Errorf("error %+v, want the cgroup and the path of its cgroup.procs", e)
	}
	for _, w := range append(words, c.Cgroup, e.Procs, c.Path) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

// cgroupName is a cgroup name that no other test process uses.
func cgroupName(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("spawntest-%d", os.Getpid())
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := leaves(t, os.Getpid()); len(left) != 0 {
			t.Errorf("cgroups left: %v", left)
			for i := len(left) - 1; i >= 0; i-- {
				os.Remove(left[i])
			}
		}
		os.Remove(filepath.Join(own, name))
	})
	return name
}

// stopped makes runs place their child as on a kernel that cannot clone into a
// cgroup.
func stopped(t *testing.T) {
	t.Helper()
	noCloneInto.Store(true)
	t.Cleanup(func() { noCloneInto.Store(false) })
}

func withoutV2(t *testing.T) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var kept strings.Builder
	for line := range strings.Lines(string(table)) {
		if !strings.Contains(line, " - cgroup2 ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// Only an error that can be about the cgroup makes another start without it.
func TestRefusedPlace(t *testing.T) { // C20
	dir := t.TempDir()
	for _, tt := range []struct {
		err  error
		path string
		want bool
	}{
		{unix.EBUSY, "/bin/true", true},
		{unix.EACCES, "/bin/true", true},
		{unix.EACCES, dir + "/missing", false},
		{unix.ENOENT, "/bin/true", false},
		{unix.ENOEXEC, "/bin/true", false},
	} {
		if got := refusedPlace(tt.err, tt.path, ""); got != tt.want {
			t.Errorf("%v of %s is about the cgroup: %v, want %v", tt.err, tt.path, got, tt.want)
		}
	}
	if refusedPlace(unix.EACCES, "/bin/true", dir+"/missing") {
		t.Error("a directory that is missing is about the cgroup")
	}
}

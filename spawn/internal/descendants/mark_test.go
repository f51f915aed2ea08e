package descendants

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMarking(t *testing.T) { // C13
	const (
		cookies = "fedcba9876543210fedcba98"
		base    = 0x1edcba98765 << markCount // the cookies' first 44 bits, without the highest three
		none    = uint64(unix.RLIM_INFINITY)
		outer   = uint64(markAlone | 12345<<markCount | 7)
		inner   = uint64(markInRun | 54321<<markCount | 7)
	)
	check := func(name string, was unix.Rlimit, want marking) {
		t.Helper()
		if got := markingIn(was, cookies); got != want {
			t.Errorf("%s: %+x, want %+x", name, got, want)
		}
	}
	check("on its own", unix.Rlimit{Cur: none, Max: none}, marking{base: markAlone | base})
	check("in a run", unix.Rlimit{Cur: outer, Max: outer}, marking{base: markInRun | base, outer: outer})
	check("in a run in a run", unix.Rlimit{Cur: inner, Max: outer}, marking{})
	check("limited for another use", unix.Rlimit{Cur: 1000, Max: 1000}, marking{})
	check("limited softly", unix.Rlimit{Cur: 1000, Max: none}, marking{})

	m := marking{base: markAlone | base}
	if a, b := m.run(1), m.run(2); a == b || a|b >= m.base|markHost || (a^m.base)>>markCount != 0 {
		t.Errorf("marks %x and %x of %x: want two below that of the host, %x", a, b, m.base, m.base|markHost)
	}
	if got := m.run(markHost); got == m.base|markHost {
		t.Errorf("run %d has the mark of the host", markHost)
	}
	if got := (marking{}).run(1); got != 0 {
		t.Errorf("mark %x without a base", got)
	}
}

func TestIsMark(t *testing.T) { // C13
	mark := marking{base: markAlone | 77<<markCount}.run(3)
	one, all := Search{mark: mark}, Search{mark: mark, anyRun: true}
	for _, c := range []struct {
		name     string
		v        uint64
		one, all bool
	}{
		{"its own", mark, true, true},
		{"another run's", mark + 1, false, true},
		{"the host's", mark | markHost, false, true},
		{"another host's", mark + 1<<markCount, false, false},
		{"that of a host in a run", mark ^ markAlone ^ markInRun, false, false},
		{"unlimited", unix.RLIM_INFINITY, false, false},
		{"0", 0, false, false},
	} {
		if one.isMark(c.v) != c.one || all.isMark(c.v) != c.all {
			t.Errorf("%s: %v for the run, %v for the host; want %v, %v", c.name, one.isMark(c.v), all.isMark(c.v), c.one, c.all)
		}
	}
	if (&Search{}).marked(os.Getpid()) {
		t.Error("without a mark, a process is marked")
	}
}

func TestParseLockLimit(t *testing.T) {
	text, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Fatal(err)
	}
	want, ok := LockLimit(0)
	if got, parsed := parseLockLimit(text); !ok || !parsed || got != want {
		t.Errorf("from /proc: %v %v, by prlimit: %v %v", got, parsed, want, ok)
	}
	got, ok := parseLockLimit([]byte("Limit  Soft Limit  Hard Limit  Units\nMax file locks            123    unlimited            locks     \n"))
	if want := (unix.Rlimit{Cur: 123, Max: unix.RLIM_INFINITY}); !ok || got != want {
		t.Errorf("got %v %v, want %v", got, ok, want)
	}
	for _, bad := range []string{"", "Max file locks", "Max file locks 5"} {
		if _, ok := parseLockLimit([]byte(bad)); ok {
			t.Errorf("%q was understood", bad)
		}
	}
}

// With a limit of 0 a process can still lock files.
func TestLinuxIgnoresTheLimitOfLocks(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was, _ := LockLimit(0)
	if err := unix.Prlimit(0, unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: 0, Max: was.Max}, nil); err != nil {
		t.Fatal(err)
	}
	defer unix.Prlimit(0, unix.RLIMIT_LOCKS, &was, nil)
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Errorf("flock: %v", err)
	}
	for i := range int64(10) {
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 10 * i, Len: 5}); err != nil {
			t.Errorf("lock %d: %v", i, err)
		}
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Errorf("lease: %v", err)
	}
}

func TestKernelTasksExecuteNothing(t *testing.T) {
	if executing(2) { // kthreadd
		t.Error("a kernel thread is taken for a process in the middle of an exec")
	}
}

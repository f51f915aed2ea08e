package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReadStat(t *testing.T) {
	before := Now()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	after := Now()
	pid := cmd.Process.Pid
	s, err := ReadStat(pid)
	for err == nil && !s.EnvironEnd { // Start returns in the middle of execve
		s, err = ReadStat(pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.Pid != pid || s.Name != "sleep" || s.Parent != os.Getpid() || s.Group != pid || s.Session != pid || s.Threads != 1 || s.Ended() || s.WithoutFirst() {
		t.Errorf("got %+v, want the child %d of %d", s, pid, os.Getpid())
	}
	if s.Start < before || s.Start > after {
		t.Errorf("start %d: want %d to %d", s.Start, before, after)
	}
	cmd.Process.Kill()
	for s.State != 'Z' { // it is reaped below only
		if s, err = ReadStat(pid); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Ended() || s.WithoutFirst() {
		t.Errorf("a zombie: ended %v, without its first thread %v, want true and false", s.Ended(), s.WithoutFirst())
	}
	cmd.Wait()
	if _, err := ReadStat(pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that is gone: %v, want fs.ErrNotExist", err)
	}
}

func TestParseStat(t *testing.T) {
	line := func(name, state string, threads int) string {
		return fmt.Sprintf("42 (%s) %s 7 8 9 0 -1 64 0 0 0 0 0 0 0 0 20 0 %d 0 12345 %s99 0\n", name, state, threads, strings.Repeat("0 ", 28))
	}
	s, err := ParseStat([]byte(line("a) R (b ", "Z", 3)))
	want := Stat{Pid: 42, Name: "a) R (b ", State: 'Z', Parent: 7, Group: 8, Session: 9, Flags: 64, Threads: 3, Start: 12345, EnvironEnd: true}
	if err != nil || s != want {
		t.Errorf("got %+v, %v, want %+v", s, err, want)
	}
	if !s.WithoutFirst() || s.Ended() {
		t.Errorf("without its first thread %v, ended %v, want true and false", s.WithoutFirst(), s.Ended())
	}
	for _, tt := range []struct {
		s    Stat
		want bool
	}{
		{Stat{State: 'R', Threads: 1}, false},
		{Stat{State: 'R', Threads: 1, Flags: exiting | ForkedNoExec}, true},
		{Stat{State: 'Z', Threads: 1, Flags: exiting}, true},
		{Stat{Pid: os.Getpid(), State: 'Z', Threads: 2, Flags: exiting}, false}, // our threads live
		{Stat{Pid: 1 << 30, State: 'Z', Threads: 2, Flags: exiting}, true},      // it is gone
	} {
		if got := tt.s.Exiting(); got != tt.want {
			t.Errorf("%+v: exiting %v, want %v", tt.s, got, tt.want)
		}
	}
	for _, bad := range []string{"", "42", "42 (x)", "42 (x) Z 7", "(x" + line("y", "R", 1)[2:], line("x", "R", 1)[2:]} {
		if s, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v, want an error", bad, s)
		}
	}
}

func TestProcessLists(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	pid := cmd.Process.Pid
	check := func(what string, list []int, err error, want int) {
		t.Helper()
		if err != nil || !slices.Contains(list, want) {
			t.Errorf("%s: %v, %v, want %d in it", what, list, err, want)
		}
	}
	list, err := Processes()
	check("processes", list, err, pid)
	list, err = Children(os.Getpid())
	check("children", list, err, pid)
	list, err = Threads(pid)
	check("threads", list, err, pid)
	load, err := ReadLoad()
	if err != nil || load.LastPid < pid || load.Threads < 2 {
		t.Errorf("load %+v, %v, want pid %d or later", load, err, pid)
	}
	if _, err := Children(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("children of no process: %v", err)
	}
	if got := Name(pid); got != "sleep" {
		t.Errorf("name %q, want sleep", got)
	}
}

func TestParseLoad(t *testing.T) {
	if l, err := parseLoad([]byte("0.20 0.18 0.12 1/80 11206\n")); err != nil || l != (Load{Threads: 80, LastPid: 11206}) {
		t.Errorf("got %+v, %v", l, err)
	}
	for _, bad := range []string{"", "0.20 0.18 0.12 1 11206", "0.20 0.18 0.12 1/80"} {
		if l, err := parseLoad([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v, want an error", bad, l)
		}
	}
}

func TestProcessUsage(t *testing.T) {
	pid := os.Getpid()
	before, err := CPUTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	for now := before; now == before; {
		if now, err = CPUTime(pid); err != nil {
			t.Fatal(err)
		}
	}
	voluntary, involuntary, err := ContextSwitches(pid)
	if err != nil || voluntary+involuntary <= 0 {
		t.Errorf("%d and %d context switches, %v, want some", voluntary, involuntary, err)
	}
	if _, err := CPUTime(1 << 28); err == nil {
		t.Error("CPU time of no process: want an error")
	}
	if _, _, err := ContextSwitches(1 << 28); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("context switches of no process: %v", err)
	}
}

func TestParsePressure(t *testing.T) {
	check := func(text string, want Pressure, wantOK bool) {
		t.Helper()
		if p, ok := ParsePressure([]byte(text)); p != want || ok != wantOK {
			t.Errorf("%q: got %+v %v, want %+v %v", text, p, ok, want, wantOK)
		}
	}
	check("some avg10=0.00 avg60=1.25 avg300=0.10 total=1234\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=56\n", Pressure{1234 * time.Microsecond, 56 * time.Microsecond}, true)
	check("some avg10=0.00 avg60=1.25 avg300=0.10 total=7\n", Pressure{Some: 7 * time.Microsecond}, true)
	check("full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", Pressure{Full: 7 * time.Microsecond}, false)
	check("some total=plenty\n", Pressure{}, false)
	check("", Pressure{}, false)
	check("some avg10=0.00\n", Pressure{}, false)
}

func TestRetryBusy(t *testing.T) {
	tries := 0
	busyUntil := func(n int) func() error {
		tries = 0
		return func() error {
			if tries++; tries < n {
				return &os.PathError{Op: "exec", Path: "x", Err: unix.ETXTBSY}
			}
			return nil
		}
	}
	if err := RetryBusy(busyUntil(4)); err != nil || tries != 4 {
		t.Errorf("%d tries, %v, want 4 and none", tries, err)
	}
	start := time.Now()
	if err := RetryBusy(busyUntil(1000)); !errors.Is(err, unix.ETXTBSY) || tries != busyTries || time.Since(start) < time.Second {
		t.Errorf("%d tries in %v, %v, want %d in at least 1 s and ETXTBSY", tries, time.Since(start), err, busyTries)
	}
	other := func() error { tries++; return unix.ENOENT }
	tries = 0
	if err := RetryBusy(other); err != unix.ENOENT || tries != 1 {
		t.Errorf("another error: %d tries, %v, want one", tries, err)
	}
}

// A signal does not lengthen a wait, and does not end it.
func TestPollKeepsItsEnd(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				syscall.Kill(os.Getpid(), syscall.SIGURG) // which the Go runtime handles
				Pause(time.Millisecond)
			}
		}
	}()
	start := time.Now()
	if err := Poll(nil, start, 200*time.Millisecond); err != nil || time.Since(start) < 200*time.Millisecond {
		t.Errorf("%v after %v, want 200 ms", err, time.Since(start))
	}
}

package spawn

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/internal/testenv"
	"github.com/ktstr/ktstr/spawn/cgroup"
	"golang.org/x/sys/unix"
)

// program is the path of the helper.
var program string

// TestMain makes the test binary its own payload: with KTSTR_TEST_HELPER in the
// environment it carries out its arguments one after the other and exits.
func TestMain(m *testing.M) {
	if os.Getenv("KTSTR_TEST_HELPER") != "" {
		helper(os.Args[1:])
		os.Exit(0)
	}
	testenv.DefaultSignals()                 // a payload that ignores SIGINT until its handler is there would lose one
	os.Setenv("GORACE", "atexit_sleep_ms=0") // without it a watcher, which is this program, takes a second to exit
	var err error
	if program, err = testenv.Program(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	startAsOrdinaryUser()
	os.Exit(m.Run())
}

func init() {
	// The main goroutine must run on the first thread to be able to end it.
	if os.Getenv("KTSTR_TEST_HELPER") != "" && strings.Contains(strings.Join(os.Args, " "), "headless=") {
		runtime.LockOSThread()
	}
}

func helper(list []string) {
	for i, act := range list {
		verb, arg, _ := strings.Cut(act, "=")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "out":
			os.Stdout.WriteString(arg)
		case "err":
			os.Stderr.WriteString(arg)
		case "flood", "flooderr":
			f := os.Stdout
			if verb == "flooderr" {
				f = os.Stderr
			}
			b := []byte(strings.Repeat("0123456789abcdef", 4096))
			for n > 0 {
				k, err := f.Write(b[:min(n, len(b))])
				if err != nil {
					os.Exit(99)
				}
				n -= k
			}
		case "sleep":
			time.Sleep(time.Duration(n) * time.Millisecond)
		case "hang":
			time.Sleep(time.Hour)
		case "ignore":
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		case "die":
			signal.Reset(syscall.Signal(n))
			syscall.Kill(os.Getpid(), syscall.Signal(n))
			time.Sleep(time.Hour)
		case "print-pgid":
			fmt.Println(syscall.Getpgrp())
		case "pid":
			fmt.Println(os.Getpid())
		case "spin": // uses that many ms of CPU time
			for u := selfUsage(); u.User+u.System < time.Duration(n)*time.Millisecond; u = selfUsage() {
			}
		case "touch": // uses that many MiB of memory
			b := make([]byte, n<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			runtime.KeepAlive(b)
		case "close":
			syscall.Close(n)
		case "drop": // replace a descriptor with /dev/null
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				panic(err)
			}
			if err := unix.Dup3(int(null.Fd()), n, 0); err != nil {
				panic(err)
			}
		case "print-env":
			fmt.Println(os.Getenv(arg))
		case "await": // waits until the host has started the run
			io.Copy(io.Discard, os.Stdin)
		case "stdin":
			n, err := os.Stdin.Read(make([]byte, 1))
			fmt.Println(n, err)
		case "int": // prints a summary at SIGINT and exits
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGINT)
			fmt.Println("ready")
			<-c
			fmt.Println("summary")
			os.Exit(n)
		case "trace": // a debugger that detaches late from a dead process
			runtime.LockOSThread()
			if err := unix.PtraceSeize(n); err != nil {
				panic(err)
			}
			fd, err := unix.PidfdOpen(n, 0)
			if err != nil {
				panic(err)
			}
			fmt.Println(n)
			linux.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, time.Now(), 0)
			time.Sleep(100 * time.Millisecond)
			wait4(n, unix.WALL)
		case "wake": // continues a stopped process until it has run
			before, _ := linux.CPUTime(n)
			for now := before; now == before; now, _ = linux.CPUTime(n) {
				unix.Kill(n, unix.SIGCONT)
			}
		case "watcher":
			WatcherMain()
		case "host": // runs a payload that hangs
			args := acts(arg)
			if args[0] == "guarded" { // like the ktstr command
				if err := BecomeSubreaper(); err != nil {
					panic(err)
				}
			}
			if args[0] != "alone" {
				if _, err := StartWatcher("watcher"); err != nil {
					panic(err)
				}
			}
			c := Command{Path: "/proc/self/exe", Args: args[2:], TeeStdout: os.Stdout, NoCgroup: args[1] == "search"}
			if args[1] == "named" {
				c.Cgroup = fmt.Sprintf("spawntest-%d", os.Getpid())
			}
			if _, err := runAwaited(c); err != nil {
				panic(err)
			}
		case "farewell": // closes its watcher, like the ktstr command at its end
			if err := BecomeSubreaper(); err != nil {
				panic(err)
			}
			w, err := StartWatcher("watcher")
			if err != nil {
				panic(err)
			}
			own, err := mounted().Own()
			if err != nil {
				panic(err)
			}
			if err := os.Mkdir(fmt.Sprintf("%s/ktstr-%d-%sleft", own, os.Getpid(), self.Cookies()), 0o755); err != nil {
				panic(err)
			}
			p, err := Start(context.Background(), Command{Path: "/proc/self/exe", Args: acts("hang"), NoCgroup: true})
			if err != nil {
				panic(err)
			}
			cmd := exec.Command("/proc/self/exe", acts("hang")...) // younger than the run
			if _, err := StartHelper(func() (int, error) {
				if err := cmd.Start(); err != nil {
					return 0, err
				}
				return cmd.Process.Pid, nil
			}); err != nil {
				panic(err)
			}
			fmt.Println(cmd.Process.Pid)
			if arg == "stopped" {
				w.process.Signal(unix.SIGSTOP)
			}
			fmt.Println(w.Close())
			if _, err := p.Wait(); err != nil {
				panic(err)
			}
		case "subreaper":
			if err := BecomeSubreaper(); err != nil {
				panic(err)
			}
		case "run": // runs a payload, and prints its output, how many were killed, and its own children
			c := Command{Path: "/proc/self/exe", Args: acts(arg), NoCgroup: true, Timeout: 20 * time.Second}
			res, err := runAwaited(c)
			if err != nil {
				panic(err)
			}
			os.Stdout.Write(res.Stdout.Data)
			fmt.Println(len(res.Killed))
			children, _ := os.ReadFile("/proc/thread-self/children")
			os.Stdout.Write(children)
		case "beside": // starts a helper during a run, and prints whether it lives after the run
			p, err := Start(context.Background(), Command{Path: "/proc/self/exe", Args: acts("hang"), NoCgroup: true})
			if err != nil {
				panic(err)
			}
			cmd := exec.Command("/proc/self/exe", acts("hang")...)
			start := func() (int, error) {
				if err := cmd.Start(); err != nil {
					return 0, err
				}
				return cmd.Process.Pid, nil
			}
			reaped := func() {}
			if arg == "known" {
				reaped, err = StartHelper(start)
			} else {
				_, err = start()
			}
			if err != nil {
				panic(err)
			}
			p.Kill()
			fmt.Println(alive(cmd.Process.Pid))
			cmd.Process.Kill()
			cmd.Wait()
			reaped()
		case "bg", "setsid", "setpgid", "daemon", "detached":
			child(verb, arg)
		case "storm": // starts detached orphans one after the other, with an argument to find them by
			for {
				child("detached", "as="+arg+";hang")
			}
		case "headless": // ends its first thread, and makes a file when that is done
			go func() {
				for st, err := linux.ReadStat(os.Getpid()); err != nil || !st.WithoutFirst(); st, err = linux.ReadStat(os.Getpid()) {
				}
				if err := os.WriteFile(arg, nil, 0o600); err != nil {
					panic(err)
				}
				helper(list[i+1:])
				os.Exit(0)
			}()
			unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
		case "make": // makes a file
			if err := os.WriteFile(arg, nil, 0o600); err != nil {
				panic(err)
			}
		case "file": // waits until a file exists
			for _, err := os.Stat(arg); err != nil; _, err = os.Stat(arg) {
				linux.Pause(time.Millisecond)
			}
		case "move": // moves itself into a cgroup
			if err := os.WriteFile(arg+"/cgroup.procs", []byte("0"), 0); err != nil {
				panic(err)
			}
		case "see": // waits until a process is in a cgroup
			for procs := ""; procs == ""; {
				text, err := os.ReadFile(arg + "/cgroup.procs")
				if err != nil {
					panic(err)
				}
				procs = string(text)
			}
		case "ctrl-c": // runs that many payloads while signals come to the process group
			fmt.Println(runsUnderSIGINT(n))
		case "no-clone-into": // as on a kernel that cannot clone into a cgroup
			noCloneInto.Store(true)
		case "join": // another process group
			if err := unix.Setpgid(0, n); err != nil {
				panic(err)
			}
		case "no-proc":
			noProc()
		case "hide-proc":
			hideProc()
		case "obey":
			obey()
		case "send-stdout":
			if err := sendStdout(arg); err != nil {
				panic(err)
			}
		case "older-orphan":
			olderOrphan()
		case "as":
		case "many": // starts that many children that hang
			for range n {
				child("bg", "hang")
			}
		case "exit":
			os.Exit(n)
		default:
			fmt.Fprintf(os.Stderr, "helper: unknown act %q\n", act)
			os.Exit(98)
		}
	}
}

// acts splits the acts of a run within a helper's act. Commas separate them, and
// bars separate the acts of a run within that run.
func acts(arg string) (list []string) {
	for a := range strings.SplitSeq(arg, ",") {
		list = append(list, strings.ReplaceAll(a, "|", ","))
	}
	return list
}

// runAwaited runs c. Its standard input ends when the run has started.
func runAwaited(c Command) (Result, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return Result{}, err
	}
	c.Stdin = r
	p, err := Start(context.Background(), c)
	r.Close()
	w.Close()
	if err != nil {
		return Result{}, err
	}
	return p.Wait()
}

// startAwaited starts c as runAwaited does. It returns a function that reads the
// next number that the payload prints.
func startAwaited(t *testing.T, c Command) (*Process, func() int) {
	t.Helper()
	var files [4]*os.File // stdin, stdout
	for i := 0; i < 4; i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		files[i], files[i+1] = r, w
		t.Cleanup(func() { r.Close(); w.Close() })
	}
	c.Stdin, c.TeeStdout = files[0], files[3]
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	files[1].Close()
	lines := bufio.NewScanner(files[2])
	return p, func() int {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("the payload printed too little")
		}
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the payload printed %q", lines.Text())
		}
		return n
	}
}

// child starts another helper, prints its pid, and does not wait for it. Its
// acts are separated by semicolons.
func child(how, acts string) {
	cmd := exec.Command("/proc/self/exe", strings.Split(acts, ";")...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	switch how {
	case "setsid":
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	case "setpgid":
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	case "daemon": // an orphan in a session of its own
		cmd.Args = append(cmd.Args[:1], "setsid="+acts)
		if err := cmd.Run(); err != nil {
			panic(err)
		}
		return
	case "detached": // an orphan without cookie and without the streams of the run
		cmd.Args = append(cmd.Args[:1], "setsid=drop=1;drop=2;"+acts)
		cmd.Env = []string{"KTSTR_TEST_HELPER=1"}
		cmd.Stdout, cmd.Stderr = nil, nil
		pid, err := cmd.Output()
		if err != nil {
			panic(err)
		}
		os.Stdout.Write(pid)
		return
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	fmt.Println(cmd.Process.Pid)
}

func help(acts ...string) Command {
	return Command{Path: program, Args: acts, Env: Environ("KTSTR_TEST_HELPER=1")}
}

func mustRun(t *testing.T, c Command) Result {
	t.Helper()
	res, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func kill(t *testing.T, p *Process) Result {
	t.Helper()
	res, err := p.Kill()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// printed starts c and returns when the payload has printed that many lines.
func printed(t *testing.T, c Command, lines int) *Process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c.TeeStdout = w
	p, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(30 * time.Second):
			t.Error("Close did not return within 30 s")
		}
	})
	for b := []byte{0}; lines > 0; {
		if _, err := r.Read(b); err != nil {
			t.Fatal(err)
		}
		if b[0] == '\n' {
			lines--
		}
	}
	return p
}

// host starts a program that runs payloads, and reads n pids from it.
func host(t *testing.T, n int, act string) (*exec.Cmd, []int) {
	t.Helper()
	cmd := exec.Command(program, act)
	cmd.Env = append(os.Environ(), "KTSTR_TEST_HELPER=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var list []int
	lines := bufio.NewScanner(out)
	for len(list) < n && lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the host printed %q", lines.Text())
		}
		list = append(list, pid)
	}
	if len(list) < n {
		t.Fatalf("the host printed %d pids, want %d", len(list), n)
	}
	return cmd, list
}

// soak is few, or many when the tests run as `make soak` does.
func soak(few, many int) int {
	if os.Getenv("KTSTR_SOAK") != "" {
		return many
	}
	return few
}

// both runs a check with and without a cgroup.
func both(t *testing.T, check func(t *testing.T, set func(Command) Command)) {
	t.Run("cgroup", func(t *testing.T) {
		check(t, func(c Command) Command { return c })
	})
	t.Run("search", func(t *testing.T) {
		check(t, func(c Command) Command { c.NoCgroup = true; return c })
	})
}

// pids parses the numbers that a helper printed, one in each line.
func pids(t *testing.T, out []byte) (list []int) {
	t.Helper()
	for f := range strings.FieldsSeq(string(out)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			t.Fatalf("helper printed %q", out)
		}
		list = append(list, pid)
	}
	return list
}

// pidfds opens descriptors of live processes, for wantDead.
func pidfds(t *testing.T, pids []int) (fds []int) {
	t.Helper()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatalf("process %d: %v", pid, err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		fds = append(fds, fd)
	}
	return fds
}

// wantDead waits until all processes are dead, for 30 s at most.
func wantDead(t *testing.T, what string, fds []int) {
	t.Helper()
	start := time.Now()
	for i, fd := range fds {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if err := linux.Poll(p, start, 30*time.Second); err != nil || p[0].Revents == 0 {
			t.Errorf("%s: process number %d lives on", what, i)
		}
	}
}

// patiently calls f with longer and longer durations until it returns true: the
// payload of the test has got far enough in that time. So a busy machine does not
// change the answer of a test.
func patiently(t *testing.T, f func(d time.Duration) bool) {
	t.Helper()
	for d := 250 * time.Millisecond; d < 2*time.Minute; d *= 4 {
		if f(d) {
			return
		}
	}
	t.Fatal("the payload did not get far enough in a minute")
}

// dies reports whether a process is dead, or dies within 10 s.
func dies(t *testing.T, pid int) bool {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	return linux.Poll(p, time.Now(), 10*time.Second) == nil && p[0].Revents != 0
}

// alive reports whether pid is a process that is not a zombie.
func alive(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	return slices.ContainsFunc(threads, func(stat string) bool {
		text, err := os.ReadFile(stat)
		_, rest, _ := strings.Cut(string(text), ") ")
		return err == nil && !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
	})
}

// startForeign starts a child that belongs to no run. It lives until the end of the
// test.
func startForeign(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd.Process.Pid
}

// processesOf lists the processes with word in their command line.
func processesOf(t *testing.T, word string) (list []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("processes: %v", err)
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		if strings.Contains(string(text), word) {
			pid, _ := strconv.Atoi(strings.Split(f, "/")[2])
			list = append(list, pid)
		}
	}
	return list
}

// childrenOf lists the children of a process, without the ones in but.
func childrenOf(t *testing.T, pid int, but []int) (list []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil || len(files) == 0 {
		t.Fatalf("children of %d: %v", pid, err)
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for _, child := range strings.Fields(string(text)) {
			n, _ := strconv.Atoi(child)
			known := false
			for _, b := range but {
				known = known || b == n
			}
			if !known {
				list = append(list, n)
			}
		}
	}
	return list
}

// leaves lists the cgroups of the runs of a process, and the named ones of the tests.
func leaves(t *testing.T, pid int) []string {
	t.Helper()
	own, err := mounted().Own()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, dir := range []string{own, memoryHierarchy(t)} {
		for _, pattern := range []string{"/ktstr-%d-*", "/spawntest-%d", "/spawntest-%d/*"} {
			more, err := filepath.Glob(dir + fmt.Sprintf(pattern, pid))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, more...)
		}
	}
	return list
}

// memoryHierarchy is our cgroup in the v1 hierarchy of the memory controller. It is
// "none" on a host without one.
func memoryHierarchy(t *testing.T) string {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, " - cgroup ") && strings.HasSuffix(line, ",memory\n") {
			own, err := cgroup.FindHierarchy(line).Own()
			if err != nil {
				t.Fatal(err)
			}
			return own
		}
	}
	return "none"
}

// needsCgroup skips a test whose runs need a cgroup, if this user cannot make one.
func needsCgroup(t *testing.T) {
	t.Helper()
	if own, err := mounted().Own(); err != nil || unix.Access(own, unix.W_OK) != nil {
		t.Skip("this user cannot make a cgroup below the one of the test")
	}
}

package hostlock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asOther in the environment makes this test binary another process of the host, see other.
const asOther = "KTSTR_TEST_OTHER"

func TestMain(m *testing.M) {
	if part := os.Getenv(asOther); part != "" {
		other(part, os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// other takes a part in the runs of the host, prints a line, and ends with its stdin.
func other(part string, dirs []string) {
	h := &Host{Dirs: dirs}
	me := Run{Payload: part, Set: "set-1", Start: time.Now()}
	switch part {
	case "exclusive", "with-child":
		if err := h.Acquire(context.Background(), me, 0, nil); err != nil {
			fmt.Println(err)
			return
		}
	case "many-locks":
		f, err := openFile(filepath.Join(dirs[0], name()))
		if err != nil {
			panic(err)
		}
		for i := range int64(2 * most) {
			setLock(f, unix.F_SETLK, unix.F_RDLCK, 2*i, 1)
		}
	default:
		defer h.Begin(me)()
	}
	if part == "with-child" { // the child outlives this process, as a watcher or a payload could
		child := exec.Command("sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println(child.Process.Pid)
	} else {
		fmt.Println("ready")
	}
	io.Copy(io.Discard, os.Stdin)
}

// process is another process of the host.
type process struct {
	*exec.Cmd
	said string // its first line
	stop func() // ends it, and waits for its end
}

// start starts a process of a user. 0 is the user of the test.
func start(t *testing.T, part string, user uint32, dirs ...string) process {
	t.Helper()
	if user != 0 && os.Geteuid() != 0 {
		t.Skip("a process of another user takes root")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", dirs...)
	cmd.Env = append(os.Environ(), asOther+"="+part)
	cmd.Stderr = os.Stderr
	if user != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", part, err)
	}
	p := process{cmd, strings.TrimSpace(line), sync.OnceFunc(func() {
		stdin.Close()
		cmd.Wait()
	})}
	t.Cleanup(p.stop)
	return p
}

// publicDir returns a directory in which every user can make files.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "ktstr-hostlock-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func try(h *Host) error { return h.Acquire(context.Background(), Run{Payload: "mine"}, 0, nil) }

const nobody = 65534

// C47: a second command is refused, and the message names the owner and the time.
func TestTheOwnerIsNamed(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	me := uint32(os.Geteuid())
	names := map[uint32]string{0: Run{UID: &me}.User()}
	if os.Geteuid() == 0 {
		names[nobody] = "nobody"
	}
	for user, name := range names {
		p := start(t, "exclusive", user, dir)
		h := &Host{Dirs: []string{dir}}
		err := try(h)
		var held *HeldError
		if !errors.As(err, &held) {
			t.Fatalf("%s: %v, want a HeldError; the other said %s", name, err, p.said)
		}
		want := fmt.Sprintf("the host lock %s is held by exclusive of %s (pid %d, set set-1), since %s (",
			filepath.Join(dir, "ktstr.lock"), name, p.Process.Pid, held.Owner.Start.UTC().Format("2006-01-02 15:04:05 UTC"))
		if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s…", err, want)
		}
		if age := time.Since(held.Owner.Start); age < 0 || age > time.Minute {
			t.Errorf("the lock was taken %v ago", age)
		}
		p.stop()
		if err := try(h); err != nil {
			t.Errorf("%s: %v after the end of the other", name, err)
		}
		h.Close()
	}
}

// C47: the kernel releases the lock of a killed process, also if a child of it lives.
func TestTheLockEndsWithItsHolder(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	p := start(t, "with-child", 0, dir)
	var child int
	if _, err := fmt.Sscan(p.said, &child); err != nil {
		t.Fatal(p.said)
	}
	defer syscall.Kill(child, syscall.SIGKILL)
	p.Process.Kill()
	p.Wait()
	if err := syscall.Kill(child, 0); err != nil {
		t.Fatalf("the child: %v", err)
	}
	h := &Host{Dirs: []string{dir}}
	defer h.Close()
	if err := try(h); err != nil {
		t.Error(err)
	}
}

// C47
func TestWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wait    time.Duration
		waiting func(p process, cancel func()) // what happens while Acquire waits
		check   func(p process, err error) bool
	}{
		"too short": {time.Millisecond, func(process, func()) {}, func(p process, err error) bool {
			var held *HeldError
			return errors.As(err, &held) && held.Owner.Pid == p.Process.Pid
		}},
		"cancelled":      {time.Hour, func(_ process, cancel func()) { cancel() }, func(_ process, err error) bool { return err == context.Canceled }},
		"until released": {time.Hour, func(p process, _ func()) { go p.stop() }, func(_ process, err error) bool { return err == nil }},
		"until killed":   {time.Hour, func(p process, _ func()) { p.Process.Kill() }, func(_ process, err error) bool { return err == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := publicDir(t)
			p := start(t, "exclusive", 0, dir)
			h := &Host{Dirs: []string{dir}}
			defer h.Close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			waited := 0
			err := h.Acquire(ctx, Run{}, c.wait, func(*HeldError) {
				waited++
				c.waiting(p, cancel)
			})
			if !c.check(p, err) || waited != 1 {
				t.Errorf("%v, waiting was called %d times, want once", err, waited)
			}
		})
	}
}

// C47: an exclusive run is told of each run that overlapped it, whenever that began, and of no other.
func TestOverlap(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	start(t, "ended-before", 0, dir).stop()
	before := start(t, "before", nobody, dir)
	h := &Host{Dirs: []string{dir}}
	if err := try(h); err != nil { // a run without the lock does not hold it up
		t.Fatal(err)
	}
	defer h.Close()

	end := h.Begin(Run{})
	within := start(t, "within", nobody, dir)
	within.stop()
	after := start(t, "after", 0, dir)
	var got []string
	for _, r := range end() {
		got = append(got, r.String())
	}
	want := []string{
		fmt.Sprintf("before of nobody (pid %d, set set-1)", before.Process.Pid),
		fmt.Sprintf("within of nobody (pid %d, set set-1)", within.Process.Pid),
		fmt.Sprintf("after of root (pid %d, set set-1)", after.Process.Pid),
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	before.stop()
	after.stop()
	if got := h.Begin(Run{})(); len(got) > 0 {
		t.Errorf("the next run: %v, want no overlap", got)
	}
}

// A user who cannot write /run makes the second file. Root then makes the first one: both are one lock.
func TestTwoDirectoriesAreOneLock(t *testing.T) {
	t.Parallel()
	public := publicDir(t)
	private := filepath.Join(public, "run")
	p := start(t, "exclusive", nobody, private, public)
	if p.said != "ready" {
		t.Fatal(p.said)
	}
	if err := os.Mkdir(private, 0o755); err != nil {
		t.Fatal(err)
	}
	h := &Host{Dirs: []string{private, public}}
	if err := try(h); !errors.As(err, new(*HeldError)) {
		t.Fatalf("%v, want a HeldError", err)
	}
	p.stop()
	if err := try(h); err != nil || len(h.files) != 2 {
		t.Fatalf("%v, holds %d files, want both", err, len(h.files))
	}
	if p := start(t, "exclusive", nobody, private, public); !strings.Contains(p.said, filepath.Join(private, "ktstr.lock")+" is held by mine of root") {
		t.Errorf("the user: %s", p.said)
	}
	h.Close()
	if p := start(t, "exclusive", nobody, private); p.said != "ready" { // the file that root made is for all
		t.Errorf("the user, later: %s", p.said)
	}
}

func TestWithoutADirectory(t *testing.T) {
	t.Parallel()
	h := &Host{Dirs: []string{filepath.Join(t.TempDir(), "absent")}}
	if err := try(h); err == nil || !strings.Contains(err.Error(), "install -m 666 /dev/null "+h.Dirs[0]+"/ktstr.lock") {
		t.Errorf("%v, want the command that makes the file", err)
	}
	if others := h.Begin(Run{})(); others != nil {
		t.Errorf("a run: %v", others)
	}
}

// In a directory that everyone can write, another user may have put anything in the place of the file.
func TestHostilePlace(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path, victim string) error{
		"symbolic link": func(path, victim string) error { return os.Symlink(victim, path) },
		"hard link":     func(path, victim string) error { return os.Link(victim, path) },
		"pipe":          func(path, _ string) error { return unix.Mkfifo(path, 0o666) },
		"directory":     func(path, _ string) error { return os.Mkdir(path, 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, victim := filepath.Join(dir, "ktstr.lock"), filepath.Join(dir, "victim")
			if err := errors.Join(os.WriteFile(victim, []byte("precious"), 0o600), put(path, victim)); err != nil {
				t.Fatal(err)
			}
			h := &Host{Dirs: []string{dir}}
			if err := try(h); err == nil || !strings.Contains(err.Error(), "as root: rm -f "+path) {
				t.Errorf("%v, want the remedy", err)
			}
			h.Begin(Run{Payload: "mine"})()
			if text, err := os.ReadFile(victim); string(text) != "precious" {
				t.Errorf("%q, %v: the file of another user was written", text, err)
			}
		})
	}
}

// Everyone can write the file. Its text is no fact, and harmless.
func TestHostileText(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	path := filepath.Join(dir, "ktstr.lock")
	h := &Host{Dirs: []string{dir}}
	if err := try(h); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	end := h.Begin(Run{})
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0) // closed by this process, it would release the lock
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "no json\n{\"pid\": \"x\"}\n{\"pid\":7,\"payload\":\"\\u001b[2Jred\\nhost\",\"set\":%q,\"start\":\"0001-01-01T00:00:00Z\"}\n", strings.Repeat("é", long))
	for range most {
		fmt.Fprintf(f, "{\"pid\":8,\"start\":%q}\n", time.Now().Format(time.RFC3339Nano))
	}
	got := end()
	if len(got) != most || got[0].Payload != "\uFFFD[2Jred\uFFFDhost" || len(got[0].Set) > long+len("…") {
		t.Errorf("%d runs, the first %+v", len(got), got[0])
	}
	if got := got[0].String(); !strings.HasPrefix(got, "\uFFFD[2Jred\uFFFDhost (pid 7, set éé") {
		t.Error(got)
	}
	start(t, "many-locks", nobody, dir)
	if got := present(h.files[0]); len(got) != most || got[0].User() != "nobody" {
		t.Errorf("%d runs, the first %+v", len(got), got[0])
	}
}

func TestFileStaysSmall(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	path := filepath.Join(dir, "ktstr.lock")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	os.Truncate(path, maxLines+1)
	h := &Host{Dirs: []string{dir}}
	defer h.Close()
	h.Begin(Run{Payload: "mine"})()
	if info, err := os.Stat(path); err != nil || info.Size() > 1000 {
		t.Errorf("%d bytes, %v: want one line", info.Size(), err)
	}
	h.Begin(Run{Payload: "mine"})()
	if err := try(h); err != nil {
		t.Fatal(err)
	}
	if text := string(read(h.files[0], 0, maxLines)); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"exclusive":true`) {
		t.Errorf("want the line of the holder only:\n%s", text)
	}
	os.Truncate(path, maxLines+1)
	start(t, "not-listed", 0, dir)
	if n := size(h.files[0]); n != maxLines+1 {
		t.Errorf("%d bytes: want no line added, and none removed while the lock is held", n)
	}
}

func TestNameOfANode(t *testing.T) {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	for node, want := range map[string]string{
		"":              "ktstr.lock",
		"n3":            "ktstr-n3.lock",
		"rack-2.n_3":    "ktstr-rack-2.n_3.lock",
		host:            "ktstr.lock",
		"../etc/passwd": "ktstr.lock",
		"a/b":           "ktstr.lock",
		".":             "ktstr.lock",
		"a\nb":          "ktstr.lock",
		longNode + "x":  "ktstr.lock",
		longNode:        "ktstr-" + longNode + ".lock",
		"-rf":           "ktstr.lock",
	} {
		t.Setenv("SLURMD_NODENAME", node)
		if got := name(); got != want {
			t.Errorf("node %q: got %s, want %s", node, got, want)
		}
	}
}

var longNode = strings.Repeat("n", 200)

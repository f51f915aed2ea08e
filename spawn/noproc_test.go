package spawn

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// Without /proc, ktstr cannot search for processes that outlive the payload. The
// result says so, and the run does not wait for the whole grace.
func TestWithoutProc(t *testing.T) { // C12, C13
	if os.Geteuid() != 0 {
		t.Skip("only root can mount what this test needs")
	}
	cmd := exec.Command(help().Path, "no-proc")
	cmd.Env = append(os.Environ(), "KTSTR_TEST_HELPER=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != "ok\n" {
		t.Errorf("%s", out)
	}
}

// noProc hides /proc in this process, which has a mount namespace of its own, and
// runs a payload that leaves a process in its group and one in a session of its own.
func noProc() {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		panic(err)
	}
	if err := unix.Mount("ktstr-test", "/proc", "tmpfs", 0, "size=64k"); err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "ktstr-no-proc-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	c := Command{
		Path: "/bin/sh", Dir: dir, NoCgroup: true, Grace: time.Hour,
		Args: []string{"-c", "mkfifo ready; sleep 1000 & echo $!; setsid sh -c 'echo $$; echo >ready; exec sleep 1000' & read line <ready; exit 4"},
	}
	res := runOrPanic(c)
	var list []int
	for f := range strings.FieldsSeq(string(res.Stdout.Data)) {
		pid, _ := strconv.Atoi(f)
		list = append(list, pid)
	}
	if len(list) == 2 {
		defer unix.Kill(list[1], unix.SIGKILL)
	}
	notice := func(text string) bool {
		return slices.ContainsFunc(res.Notices, func(n string) bool { return strings.Contains(n, text) })
	}
	if len(list) != 2 || res.ExitCode != 4 || !notice("cannot be searched for") || !notice("its end was not seen") || time.Since(start) > time.Minute {
		fmt.Printf("printed %q, exit %d, notices %q, after %v: want two pids, 4, and two notices within the minute\n", res.Stdout.Data, res.ExitCode, res.Notices, time.Since(start))
		return
	}
	// The group is killed by its number, which needs no /proc.
	if fd, err := unix.PidfdOpen(list[0], 0); err == nil {
		end := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if linux.Poll(end, time.Now(), time.Minute); end[0].Revents == 0 {
			fmt.Printf("%d, which is in the group of the payload, is alive\n", list[0])
			unix.Kill(list[0], unix.SIGKILL)
			return
		}
	}
	fmt.Println("ok")
}

// With hidepid, an ordinary user sees the own processes only. They are killed, and a
// notice says that others are hidden.
func TestHiddenProcesses(t *testing.T) { // C13
	if os.Geteuid() != 0 {
		t.Skip("only root can mount what this test needs")
	}
	cmd := exec.Command(help().Path, "hide-proc")
	cmd.Env = append(os.Environ(), "KTSTR_TEST_HELPER=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != "ok\n" {
		t.Errorf("%s", out)
	}
}

// hideProc hides the processes of other users in this process, which has a mount
// namespace of its own, becomes nobody, and runs a payload that leaves a process.
func hideProc() {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		panic(err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, "hidepid=2"); err != nil {
		panic(err)
	}
	if err := syscall.Setgid(65534); err != nil {
		panic(err)
	}
	if err := syscall.Setuid(65534); err != nil {
		panic(err)
	}
	res := runOrPanic(Command{Path: "/bin/sh", Args: []string{"-c", "setsid sleep 1000 & sleep 0.1; exit 4"}, NoCgroup: true, Grace: time.Hour})
	if len(res.Killed) != 1 || res.ExitCode != 4 || !slices.ContainsFunc(res.Notices, func(n string) bool { return strings.Contains(n, "hidepid") }) {
		fmt.Printf("killed %v, exit %d, notices %q: want one, 4, and a notice about hidepid\n", res.Killed, res.ExitCode, res.Notices)
		return
	}
	fmt.Println("ok")
}

func runOrPanic(c Command) Result {
	res, err := runAwaited(c)
	if err != nil {
		panic(err)
	}
	return res
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awaitEnd waits until the process of a pidfd has ended. The time limit is for a failing test.
func awaitEnd(pidfd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(limit/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil && n == 0:
			return errors.New("it is still alive")
		default:
			return err
		}
	}
}

// C18: SIGKILL of ktstr kills the payload and its descendants, also those that have left its process group.
func TestKilledCommandLeavesNoProcess(t *testing.T) {
	for _, placement := range []string{"--no-cgroup=false", "--no-cgroup"} {
		t.Run(placement, func(t *testing.T) { killCommand(t, placement) })
	}
}

// killCommand starts ktstr with a payload that starts one descendant of each kind, and kills ktstr. It returns the time from
// the SIGKILL until the last of these processes had ended.
func killCommand(t *testing.T, placement string) time.Duration {
	t.Helper()
	pids := filepath.Join(t.TempDir(), "pids")
	cmd, _, _, stderr := started(t, `
echo $$ >> `+pids+`
setsid sleep 1000 & echo $! >> `+pids+`
setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >> `+pids+`
(setsid env -i sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >> `+pids+`)
setsid sh -c 'sleep 1000 & echo $! >> `+pids+`; echo $$ >> `+pids+`; echo > "$READY"; exec sleep 1000' &
exec sleep 1000`, placement)
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(text))
	var open []int
	for _, word := range words {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatalf("process %d of the payload: %v", pid, err)
		}
		defer unix.Close(fd)
		open = append(open, fd)
	}
	if len(open) != 6 {
		t.Fatalf("%d processes of the payload: want the leader and five descendants\n%s", len(open), stderr)
	}
	killed := time.Now()
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	for i, fd := range open {
		if err := awaitEnd(fd); err != nil {
			t.Errorf("process %s of the payload outlives ktstr: %v", words[i], err)
		}
	}
	return time.Since(killed)
}

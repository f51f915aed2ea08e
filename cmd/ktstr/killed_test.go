package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// awaitEnd waits for the end of the process of a pidfd. The limit is for a
// failing test.
func awaitEnd(pidfd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 30_000)
		switch {
		case errors.Is(err, unix.EINTR):
		case err == nil && n == 0:
			return errors.New("it lives on")
		default:
			return err
		}
	}
}

// C18: SIGKILL of ktstr ends the payload and what left its process group.
func TestKilledHostLeavesNothing(t *testing.T) {
	for _, placement := range [][]string{nil, {"--no-cgroup"}} {
		t.Run(strings.Join(placement, ""), func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pids")
			cmd, _, stderr := started(t, `
echo $$ >> `+pids+`
setsid sleep 1000 & echo $! >> `+pids+`
(setsid env -i sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >> `+pids+`)
setsid sh -c 'sleep 1000 & echo $! >> `+pids+`; echo $$ >> `+pids+`; echo > "$READY"; exec sleep 1000' &
exec sleep 1000`, placement...)
			text, err := os.ReadFile(pids)
			if err != nil {
				t.Fatal(err)
			}
			var open []int
			for _, word := range strings.Fields(string(text)) {
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
			if len(open) < 5 {
				t.Fatalf("%d processes of the payload: want the leader and what escaped\n%s", len(open), stderr)
			}
			cmd.Process.Signal(syscall.SIGKILL)
			cmd.Wait()
			for i, fd := range open {
				if err := awaitEnd(fd); err != nil {
					t.Errorf("process %s of the payload outlives ktstr (%v)", strings.Fields(string(text))[i], err)
				}
			}
		})
	}
}

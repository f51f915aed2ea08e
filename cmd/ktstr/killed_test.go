package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// C18: SIGKILL of ktstr ends the payload and what left its process group.
func TestKilledHostLeavesNothing(t *testing.T) {
	for _, placement := range [][]string{nil, {"--no-cgroup"}} {
		t.Run(strings.Join(placement, ""), func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pids")
			cmd, _, stderr := started(t, `
setsid sleep 1000 & echo $! >> `+pids+`
(setsid env -i sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >> `+pids+`)
setsid sh -c 'sleep 1000 & echo $! >> `+pids+`; echo $$ >> `+pids+`; echo > "$READY"; exec sleep 1000' &
echo $$ >> `+pids+`
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
				// The wait ends with the process; the limit is for a failing test.
				n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 30_000)
				if n != 1 || err != nil {
					t.Errorf("process %s of the payload outlives ktstr (%v)", strings.Fields(string(text))[i], err)
				}
			}
		})
	}
}

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// SIGKILL of ktstr kills the payload and every descendant, also one that has
// left the group, whether there is a cgroup or not.
func TestKilledCommandLeavesNothing(t *testing.T) { // C18
	for _, flag := range []string{"--no-cgroup=false", "--no-cgroup"} {
		dir := t.TempDir()
		fifo := filepath.Join(dir, "pids")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "run", flag, "--out", dir+"/runs", "/bin/sh", "--", "-c",
			`(echo $$; setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!) >`+fifo+`; sleep 1000`)
		cmd.Env = append(os.Environ(), asCommand+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(fifo)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		f.Close()
		pids := strings.Fields(string(text))
		if err != nil || len(pids) != 2 {
			t.Fatalf("%s: the payload wrote %q, %v", flag, text, err)
		}
		var fds []int
		for _, p := range pids {
			pid, err := strconv.Atoi(p)
			if err != nil {
				t.Fatal(err)
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fd)
		}
		cmd.Process.Kill()
		cmd.Wait()
		for i, fd := range fds {
			if err := awaitEnd(fd); err != nil {
				t.Errorf("%s: process %s: %v", flag, pids[i], err)
			}
			unix.Close(fd)
		}
	}
}

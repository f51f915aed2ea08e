package spawn

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// The kernel hands the peak memory of this process down to the leader. A leader that
// uses less has no peak of its own, and one that uses more has. // C38
func TestPeakMemoryIsNotOurs(t *testing.T) {
	ballast := make([]byte, 64<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	res, err := Run(context.Background(), Command{Path: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	if res.Payload.MaxRSS != 0 || res.OwnPeak < int64(len(ballast)) {
		t.Errorf("/bin/true: peak %d, ours %d: want 0, and ours above %d", res.Payload.MaxRSS, res.OwnPeak, len(ballast))
	}
	const large = 300 << 20
	res = mustRun(t, help("touch=300"))
	const most = 4 * large // the race detector needs more memory than the program
	if res.Payload.MaxRSS < large || res.Payload.MaxRSS > most {
		t.Errorf("payload of 300 MiB: peak %d, want %d to %d", res.Payload.MaxRSS, large, most)
	}
	runtime.KeepAlive(ballast)
}

// The descendants that the leader has waited for count, at every depth. // C38
func TestChildrenOfChildrenCount(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("sh is not installed")
	}
	c := help("spin=100")
	res := mustRun(t, Command{Path: "sh", Args: append([]string{"-c", `sh -c '"$0" "$@"; :' "$0" "$@"; :`, c.Path}, c.Args...), Env: c.Env})
	if cpu := res.Payload.User + res.Payload.System; cpu < 50*time.Millisecond {
		t.Errorf("CPU time %v, want that of the grandchild, which uses 100 ms", cpu)
	}
	c = help("touch=300")
	res = mustRun(t, Command{Path: "sh", Args: append([]string{"-c", `sh -c '"$0" "$@"; :' "$0" "$@"; :`, c.Path}, c.Args...), Env: c.Env})
	if res.Payload.MaxRSS < 300<<20 {
		t.Errorf("peak %d, want that of the grandchild, which uses 300 MiB", res.Payload.MaxRSS)
	}
}

func TestBytesOnStorageCount(t *testing.T) { // C38
	dir := t.TempDir()
	res := mustRun(t, Command{Path: "dd", Args: []string{"if=/dev/zero", "of=" + dir + "/f", "bs=1M", "count=4", "conv=fsync"}})
	if w := res.Payload.BytesWritten; w != 0 && w < 4<<20 { // 0 on a filesystem without storage
		t.Errorf("%d bytes written, want 4 MiB or more", w)
	}
}

// The peak of the cgroup is that of all processes together, also if only cgroup v1
// has a memory controller. Afterwards nothing is left in either hierarchy. // C38
func TestPeakOfAllProcesses(t *testing.T) {
	touched := filepath.Join(t.TempDir(), "touched")
	res := mustRun(t, help("bg=touch=100;make="+touched+";hang", "file="+touched, "touch=200"))
	if res.Cgroup == nil || res.Cgroup.MemoryPeak == 0 && memoryHierarchy(t) == "none" {
		t.Skip("this host gives the run no memory controller")
	}
	if peak := res.Cgroup.MemoryPeak; peak < 300<<20 || peak > 600<<20 {
		t.Errorf("peak %d MiB, want the 100 MiB of one process and the 200 MiB of another", peak>>20)
	}
	if left := leaves(t, os.Getpid()); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

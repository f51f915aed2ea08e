package spawn

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The promises about the processes of a run hold for an ordinary user, too. Root runs
// these tests again as nobody.
func TestAsOrdinaryUser(t *testing.T) { // C11, C12, C13, C18
	if os.Geteuid() != 0 {
		t.Skip("the tests run as an ordinary user already")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "ktstr-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "spawn.test")
	copyFile(t, exe)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.timeout=5m", "-test.run",
		"^(TestLeaderFirst|TestEscapees|TestDetachedOrphans|TestEachRunLosesOnlyItsOwn|TestRunInARun|TestSubreaperKillsOrphans|TestOlder.*|TestDescriptorGivenToAnOlderProcess|TestYoungerHolderIsKilled|TestLeftoversWait|TestStopAfter|TestWatcherSparesOlderProcesses|TestWatcherKillsRunsInRuns|TestInterrupt)$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// copyFile copies the test program to where every user can execute it.
func copyFile(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

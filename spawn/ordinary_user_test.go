package spawn

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ktstr/ktstr/internal/linux"
)

// ordinaryUserTests are the tests that root runs again as nobody.
const ordinaryUserTests = "^(TestLeaderFirst|TestEscapees|TestDetachedOrphans|TestEachRunLosesOnlyItsOwn|TestRunInARun|TestSubreaperKillsOrphans|" +
	"TestOlder.*|TestDescriptorGivenToAnOlderProcess|TestYoungerHolderIsKilled|TestLeftoversWait|TestStopAfter|TestWatcherSparesOlderProcesses|" +
	"TestWatcherKillsRunsInRuns|TestInterrupt)$"

// ordinaryUser is the outcome of ordinaryUserTests. It is nil if TestAsOrdinaryUser is not going to run, or if this
// process is an ordinary user's.
var ordinaryUser chan outcome

type outcome struct {
	out []byte
	err error
}

// startAsOrdinaryUser starts ordinaryUserTests next to the other tests, because both mostly wait. TestMain calls it.
func startAsOrdinaryUser() {
	flag.Parse()
	selected, _, _ := strings.Cut(flag.Lookup("test.run").Value.String(), "/")
	listed := flag.Lookup("test.list").Value.String()
	if match, err := regexp.MatchString(selected, "TestAsOrdinaryUser"); err != nil || !match || listed != "" || os.Geteuid() != 0 {
		return
	}
	ordinaryUser = make(chan outcome, 1)
	go func() {
		out, err := runAsOrdinaryUser()
		ordinaryUser <- outcome{out, err}
	}()
}

func runAsOrdinaryUser() ([]byte, error) {
	const nobody = 65534
	dir, err := os.MkdirTemp("", "ktstr-user-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "spawn.test")
	if err := copyProgram(exe); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	var cmd *exec.Cmd
	// A child that another test is forking may still have the copied file open for writing.
	err = linux.RetryBusy(func() error {
		cmd = exec.Command(exe, "-test.timeout=10m", "-test.run", ordinaryUserTests)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		cmd.Stdout, cmd.Stderr = &out, &out
		return cmd.Start()
	})
	if err == nil {
		err = cmd.Wait()
	}
	return out.Bytes(), err
}

// The promises about the processes of a run hold for an ordinary user, too.
func TestAsOrdinaryUser(t *testing.T) { // C11, C12, C13, C18
	if ordinaryUser == nil {
		t.Skip("the tests run as an ordinary user already")
	}
	// Later rounds of -count see the outcome of the first.
	o := <-ordinaryUser
	ordinaryUser <- o
	// The exit status is lost if the process ends while a test ignores SIGCHLD.
	if !bytes.HasSuffix(o.out, []byte("PASS\n")) {
		t.Errorf("as nobody: %v\n%s", o.err, o.out)
	}
}

// copyProgram copies the helper to where every user can execute it.
func copyProgram(to string) error {
	from, err := os.Open(program)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/testenv"
)

// asCommand in the environment makes this test binary the command.
const asCommand = "KTSTR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	// The test binary is also ktstr: as ktstr on the PATH of a script, with asCommand, and where ktstr executes itself.
	hidden := []string{hiddenPlugin, hiddenNoise, hiddenLaunch, hiddenHost, hiddenWatch, fleet.JobVerb, fleet.AttachVerb}
	if filepath.Base(os.Args[0]) == "ktstr" || os.Getenv(asCommand) != "" || len(os.Args) > 1 && slices.Contains(hidden, os.Args[1]) {
		main()
	}
	if filepath.Base(os.Args[0]) == handover {
		handOver(os.Args[1], os.Args[2])
		os.Exit(0)
	}
	testenv.DefaultSignals()
	// Under the race detector each process that a test starts would sleep for a second when it ends. A race that it has found
	// until then is already reported, and its exit status says so.
	os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
	testscript.Main(m, map[string]func(){"ktstr": main})
}

// raceDetector reports whether this test binary was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestScripts runs the command as a user does. Each file of testdata/script is one subject, and every script has a home of
// its own. Under the race detector the scripts run a ktstr without it, because the scripts start ktstr six hundred times and
// an instrumented start takes several times the CPU time.
func TestScripts(t *testing.T) {
	path := os.Getenv("PATH") // testscript.Main has put this test binary there, as ktstr
	if raceDetector() {
		path = testenv.Build(t, "./cmd/ktstr") + ":" + path
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			home := e.WorkDir + "/home"
			// Unmounts the file system of a script that failed half-way.
			e.Defer(func() { unix.Unmount(e.WorkDir+"/full", unix.MNT_DETACH) })
			node := filepath.Base(filepath.Dir(e.WorkDir)) + "-" + filepath.Base(e.WorkDir)
			e.Setenv("SLURMD_NODENAME", node) // a host lock of its own
			e.Defer(func() { os.Remove("/run/ktstr-" + node + ".lock"); os.Remove("/dev/shm/ktstr-" + node + ".lock") })
			e.Setenv("PATH", path)
			e.Setenv("HOME", home)
			e.Setenv("XDG_STATE_HOME", home+"/state")
			e.Setenv("XDG_CONFIG_HOME", home+"/config")
			e.Setenv("XDG_DATA_HOME", home+"/data")
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
		},
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %q: want root", cond)
			}
			return os.Geteuid() == 0, nil
		},
		RequireExplicitExec: true,
	})
}

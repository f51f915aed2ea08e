package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// asCommand in the environment makes this test binary the command.
const asCommand = "KTSTR_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	// Where a test calls run in this process, the command executes itself.
	if len(os.Args) > 1 && slices.Contains([]string{hiddenPlugin, hiddenNoise, hiddenLaunch, hiddenHost, hiddenWatch}, os.Args[1]) || os.Getenv(asCommand) != "" {
		main()
	}
	os.Setenv("GORACE", quickExit())
	testscript.Main(m, map[string]func(){"ktstr": main})
}

// quickExit is GORACE for the processes that tests start. Under the race detector
// each would sleep for a second when it ends; what it has found by then it has
// reported, and its status says so.
func quickExit() string {
	return strings.TrimSpace(os.Getenv("GORACE") + " atexit_sleep_ms=0")
}

// TestScripts drives the command as a person does; each file of
// testdata/script is one subject. Every script has a home of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			home := e.WorkDir + "/home"
			e.Defer(func() { unix.Unmount(e.WorkDir+"/full", unix.MNT_DETACH) }) // of a script that failed half-way
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Setenv("HOME", home)
			e.Setenv("XDG_STATE_HOME", home+"/state")
			e.Setenv("XDG_CONFIG_HOME", home+"/config")
			e.Setenv("XDG_DATA_HOME", home+"/data")
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
		},
		RequireExplicitExec: true,
	})
}

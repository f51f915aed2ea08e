package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
)

// Program returns a path of this test program, for tests that start it as their payload or as their plugin. Under the race
// detector it is a build of the same test without it, because an instrumented program takes several times the CPU time at
// each start. The working directory must be that of the package, as it is when a test starts.
var Program = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil || !instrumented() {
		return self, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return "", err
	}
	exe := filepath.Join(root, "bin", "tests", strings.ReplaceAll(rel, "/", "-")+".test")
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-o", exe, ".")
	cmd.Env = GoEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return exe, nil
})

// instrumented tells whether this program was built with the race detector.
func instrumented() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

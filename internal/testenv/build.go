// Package testenv gives tests the executables that they run and the signals that they expect.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// built holds the packages that this process has built. Its mutex makes the tests of one process build one at a time.
var built = struct {
	sync.Mutex
	packages map[string]bool
}{packages: map[string]bool{}}

// GoEnv returns the environment of a go command with which it compiles as `make build` does. Such commands share the compiled
// packages of this module, also in a copy of the module and in a module of its own that requires it.
func GoEnv() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -tags=grpcnotrace")
}

// Build builds main packages of this module into bin/ of the repository, with the command of `make build`, and returns that
// directory. For example, Build(t, "./cmd/ktstr") returns a directory with `ktstr` in it. A package is written as `go build`
// in the root of the module takes it.
//
// The executables are not instrumented, also if the tests run under the race detector: an instrumented ktstr takes several
// times the CPU time at each start. The go command links an executable again only if its sources have changed. Thus all test
// processes of one `go test ./...` share the executables.
func Build(t testing.TB, packages ...string) (dir string) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(root, "bin")
	built.Lock()
	defer built.Unlock()
	for _, p := range packages {
		if built.packages[p] {
			continue
		}
		if err := build(root, dir, p); err != nil {
			t.Fatal(err)
		}
		built.packages[p] = true
	}
	return dir
}

// build runs `go build` under a lock, because other test processes build into the same directory.
func build(root, dir, pkg string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("%s: %w", lock.Name(), err)
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", pkg)
	cmd.Dir = root
	cmd.Env = GoEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// moduleRoot is the nearest directory with a go.mod, from the working directory upwards.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s: no go.mod in it or above it", dir)
		}
	}
}

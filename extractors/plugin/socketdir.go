package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bases are where plugins' own directories are made, the first that can be
// written to. They are short, because a socket's path has at most 107 bytes,
// whatever TMPDIR is.
func bases() []string {
	all := []string{"/tmp"}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && len(dir) < 40 {
		all = append(all, dir)
	}
	return append(all, "/dev/shm")
}

const basePrefix = "ktstr-"

// makeBase makes the directory of one plugin process, for this user only. Its
// name tells whose it is.
func makeBase() (dir string, err error) {
	var failed []error
	for _, base := range bases() {
		if dir, err = os.MkdirTemp(base, fmt.Sprintf("%s%d-", basePrefix, os.Getpid())); err == nil {
			return dir, nil
		}
		failed = append(failed, err)
	}
	return "", fmt.Errorf("no directory for the plugin's socket: %w", errors.Join(failed...))
}

// sweepBases removes, once for this process, what hosts left that were killed
// while they started a plugin: at all other times the directory is gone already.
var sweepBases = sync.OnceFunc(sweep)

func sweep() {
	for _, base := range bases() {
		entries, err := os.ReadDir(base)
		if err != nil {
			continue
		}
		for _, e := range entries {
			rest, ok := strings.CutPrefix(e.Name(), basePrefix)
			owner, _, _ := strings.Cut(rest, "-")
			pid, err := strconv.Atoi(owner)
			if !ok || err != nil || !e.IsDir() || unix.Kill(pid, 0) != unix.ESRCH {
				continue
			}
			// A host in another process namespace may only look dead; but none takes that
			// long to start a plugin. As root, the directory may be a plugin's private user's.
			info, err := e.Info()
			if err != nil || time.Since(info.ModTime()) < 10*time.Minute {
				continue
			}
			if st, ok := info.Sys().(*syscall.Stat_t); ok && (int(st.Uid) == os.Geteuid() || os.Geteuid() == 0 && st.Uid >= firstUser) {
				os.RemoveAll(filepath.Join(base, e.Name()))
			}
		}
	}
}

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

// bases are the directories in which a plugin's directory can be made. The first
// writable one is used. TMPDIR is not among them, because it may be long, and the
// path of a socket has at most 107 bytes.
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

// sweepBases removes stale directories, once for this process. A host leaves one
// only if it is killed while it starts a plugin.
var sweepBases = sync.OnceFunc(sweep)

func sweep() {
	sweepGroups()
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
			// A host in another process namespace looks dead although it lives, but no start
			// takes ten minutes. As root, the directory may belong to a plugin's private user.
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

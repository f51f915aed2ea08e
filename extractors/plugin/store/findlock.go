package store

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Found is the result of a search for a project's lock.
type Found struct {
	Path    string   // of the lock that counts, empty if there is none
	Ignored []string // nearer locks that do not count, and failed searches, each with the reason
}

// FindLock finds the lock that counts in the directory dir. That is the lock in
// dir, else the nearest one above it. The search ends at the root of a git work
// tree and at the end of dir's filesystem. A lock above dir counts only if no
// other user can have put it there (for root: and no group), because a lock
// decides which plugins run. For example, /tmp/ktstr.lock of another user does not
// count in /tmp/project.
func FindLock(dir string) Found {
	var f Found
	own := filepath.Join(dir, LockFile)
	if _, err := os.Lstat(own); err == nil || !os.IsNotExist(err) {
		f.Path = own // if it cannot be read, reading it will say why
		return f
	}
	at, err := filepath.Abs(dir)
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	var here os.FileInfo
	if err == nil {
		here, err = os.Stat(at)
	}
	if err != nil { // its directory was removed, or may not be looked for by this user
		f.Ignored = append(f.Ignored, fmt.Sprintf("whether a %s above the working directory counts cannot be seen: %v", LockFile, err))
		return f
	}
	for start := at; ; {
		if at == filepath.Dir(at) || endsTree(at, at == start) {
			return f
		}
		at = filepath.Dir(at)
		above, err := os.Stat(at)
		if err != nil || device(above) != device(here) {
			return f
		}
		path := filepath.Join(at, LockFile)
		lock, err := os.Lstat(path)
		if err != nil {
			continue
		}
		why := distrust(lock)
		if why == "" {
			if why = distrust(above); why != "" {
				why = "its directory " + why
			}
		}
		if why == "" {
			f.Path = path
			return f
		}
		f.Ignored = append(f.Ignored, fmt.Sprintf("%s does not count below its directory: %s: want what only you or root can write", path, why))
	}
}

// endsTree reports whether dir is the root of a git work tree. Above the working
// directory, a .git that another user can have put there does not end the search.
func endsTree(dir string, chosen bool) bool {
	git, err := os.Lstat(filepath.Join(dir, ".git"))
	if err != nil || chosen {
		return err == nil
	}
	at, err := os.Stat(dir)
	return err == nil && distrust(git) == "" && distrust(at) == ""
}

// distrust returns the reason why another user can have put a file or a directory
// there. Empty: only this user and root can have. A directory of a group is
// trusted, because teams share projects, but root trusts no group.
func distrust(info os.FileInfo) string {
	others := os.FileMode(0o002)
	if os.Geteuid() == 0 {
		others = 0o022
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir() && !info.Mode().IsRegular():
		return "is no regular file"
	case info.Mode()&others != 0:
		return fmt.Sprintf("can be written by others (mode %04o)", info.Mode().Perm())
	case !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return "belongs to another user"
	}
	return ""
}

func device(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}

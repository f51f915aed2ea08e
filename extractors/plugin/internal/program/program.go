// Package program opens plugin executables and hashes them.
package program

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tableSuffix ends the name of a table, which is read and not executed.
const tableSuffix = ".ktstr.yaml"

// IsTable reports whether the file at path is the table of a plugin.
func IsTable(path string) bool { return strings.HasSuffix(path, tableSuffix) }

// Open opens an executable, or a table. It refuses a file that other users can have put
// there or changed, for example one in a directory that everybody may write, or
// one that is reached through a link in such a directory.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, linkError(path)
	}
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = errors.New("it is a directory: want an executable file")
	case !info.Mode().IsRegular():
		err = errors.New("it is no regular file: want an executable file")
	case info.Mode()&0o111 == 0 && !IsTable(path):
		err = fmt.Errorf("it is not executable (mode %v): chmod +x it", info.Mode().Perm())
	case info.Mode()&0o002 != 0:
		err = fmt.Errorf("everybody may write to it (mode %v): chmod o-w it", info.Mode().Perm())
	default:
		if owner, ours := ownerOf(info); !ours {
			err = fmt.Errorf("it belongs to user %d: want a file of yours or of root", owner)
		}
	}
	if err == nil {
		err = checkWay(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// linkError says where the symbolic link leads.
func linkError(path string) error {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return fmt.Errorf("it is a symbolic link: name the file itself, %s", to)
	}
	to, err := os.Readlink(path)
	if err != nil {
		return err
	}
	return fmt.Errorf("it is a symbolic link to %s, which does not exist: name the plugin's file itself", to)
}

// ownerOf returns the owner, and reports whether that is this user or root.
func ownerOf(info fs.FileInfo) (uid uint32, ours bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	return st.Uid, ok && (st.Uid == 0 || int(st.Uid) == os.Geteuid())
}

// checkWay follows path as the kernel does. It refuses a directory or a link on
// the way that other users can have put there or can replace.
func checkWay(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	const mostLinks = 40 // the kernel's limit
	at, rest := "/", strings.Split(path[1:], "/")
	for links := 0; len(rest) > 0; {
		if err := checkDirectory(at, len(rest) == 1); err != nil {
			return err
		}
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err != nil {
			return err
		}
		if info.Mode().Type() != fs.ModeSymlink {
			at = next
			continue
		}
		if owner, ours := ownerOf(info); !ours {
			return fmt.Errorf("it is reached by the link %s, which belongs to user %d: name the file by its real path", next, owner)
		}
		to, err := os.Readlink(next)
		if err != nil {
			return err
		}
		if links++; links > mostLinks {
			return unix.ELOOP
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return nil
}

// checkDirectory refuses a directory in which other users can replace a file.
// The sticky bit keeps them from that. It does not keep them from putting a file
// there first, so that it does not help in the last directory.
func checkDirectory(dir string, last bool) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := info.Mode(); mode&0o002 != 0 && (mode&fs.ModeSticky == 0 || last) {
		return fmt.Errorf("everybody may write to the directory %s (mode %v): move it to a directory of your own, or chmod o-w that one", dir, mode.Perm())
	}
	if owner, ours := ownerOf(info); !ours {
		return fmt.Errorf("its directory %s belongs to user %d, who can replace it: move it to a directory of yours or of root", dir, owner)
	}
	return nil
}

// Hash returns the SHA-256 of f from its beginning.
func Hash(f *os.File) (string, error) {
	h := sha256.New()
	// Through a buffer that stays in the CPU's cache.
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(f, 0, 1<<62)}, make([]byte, 128<<10)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

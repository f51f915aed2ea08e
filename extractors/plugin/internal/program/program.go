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
	"syscall"

	"golang.org/x/sys/unix"
)

// Open opens an executable. It refuses a file that other users can have put
// there or changed, for example one in a directory that everybody may write.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		to, _ := filepath.EvalSymlinks(path)
		return nil, fmt.Errorf("it is a symbolic link: name the file itself, %s", to)
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
	case info.Mode()&0o111 == 0:
		err = fmt.Errorf("it is not executable (mode %v): chmod +x it", info.Mode().Perm())
	case info.Mode()&0o002 != 0:
		err = fmt.Errorf("everybody may write to it (mode %v): chmod o-w it", info.Mode().Perm())
	default:
		err = checkOwner(info)
	}
	for dir := filepath.Dir(path); err == nil; dir = filepath.Dir(dir) {
		var d fs.FileInfo
		// The sticky bit keeps others from replacing our files. It does not keep them
		// from putting a file there before us, so that it does not help in the last
		// directory.
		if d, err = os.Stat(dir); err == nil && d.Mode()&0o002 != 0 && (d.Mode()&fs.ModeSticky == 0 || dir == filepath.Dir(path)) {
			err = fmt.Errorf("everybody may write to the directory %s (mode %v): move it to a directory of your own, or chmod o-w that one", dir, d.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkOwner refuses a file of another user.
func checkOwner(info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0 {
		return fmt.Errorf("it belongs to user %d: want a file of yours or of root", st.Uid)
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

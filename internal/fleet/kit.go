package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ktstr/ktstr/internal/tempdir"
)

// NewFile returns the File of a path.
func NewFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	return File{Path: path, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: n}, err
}

func (f File) check() error {
	if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != sha256.Size || f.Size < 0 {
		return fmt.Errorf("SHA-256 %q: want 64 hexadecimal digits", f.SHA256)
	}
	return nil
}

// openKit opens a file of the kit, and returns an error if its content is another one. The
// error is fs.ErrNotExist if the kit does not have the file.
func openKit(kit string, f File) (*os.File, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	path := filepath.Join(kit, f.SHA256)
	has, err := NewFile(path)
	if err != nil {
		return nil, err
	}
	if has.SHA256 != f.SHA256 {
		return nil, fmt.Errorf("%s: its content has the SHA-256 %s: remove the file", path, has.SHA256)
	}
	return os.Open(path)
}

// missing returns the files that the kit lacks.
func missing(kit string, files []File) (need []string, err error) {
	for _, f := range files {
		opened, err := openKit(kit, f)
		switch {
		case err == nil:
			opened.Close()
		case errors.Is(err, fs.ErrNotExist):
			need = append(need, f.SHA256)
		default:
			return nil, err
		}
	}
	return need, nil
}

// put adds a file to the kit.
func put(kit string, f File, from io.Reader) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(kit, 0o700); err != nil {
		return err
	}
	temporary, err := tempdir.Make(kit, ".new-")
	if err != nil {
		return err
	}
	defer temporary.Remove()
	path := filepath.Join(temporary.Path, f.SHA256)
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(from, f.Size+1))
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("the kit in %s: %w", kit, err)
	}
	if got, err := NewFile(path); err != nil || n != f.Size || got.SHA256 != f.SHA256 {
		return errors.Join(err, fmt.Errorf("the kit in %s: a file arrived with the SHA-256 %s: want %s", kit, got.SHA256, f.SHA256))
	}
	return os.Rename(path, filepath.Join(kit, f.SHA256))
}

// Keep adds the file to the kit of this host, for hosts that share the directory, and returns the File there.
func (f File) Keep() (File, error) {
	kit, err := kitDir()
	if err != nil {
		return f, err
	}
	kept := File{Path: filepath.Join(kit, f.SHA256), SHA256: f.SHA256, Size: f.Size}
	if need, err := missing(kit, []File{f}); err != nil || len(need) == 0 {
		return kept, err
	}
	from, err := os.Open(f.Path)
	if err != nil {
		return f, err
	}
	defer from.Close()
	return kept, put(kit, f, from)
}

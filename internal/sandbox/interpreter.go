package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Interpreter is the program on the #! line of a script.
type Interpreter struct {
	Path string `json:"path"` // as the line names it, for example "/bin/sh"
	// Read are further paths that it needs: the libraries and the configuration of
	// a virtual environment, for example "/home/me/venv/lib". Links are resolved.
	Read []string `json:"read,omitempty"`
}

// FindInterpreter returns the interpreter of a script, or nil for another file.
// The author of a plugin chooses the #! line, so that it must not make files of
// the user readable. An error names a directory that would.
func FindInterpreter(file *os.File) (*Interpreter, error) {
	path, err := interpreterOf(file)
	if path == "" || err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("its interpreter %s is no program: want an executable file", path)
	}
	i := &Interpreter{Path: path}
	// Links are resolved before "..", as the kernel does.
	dir, err := filepath.EvalSymlinks(path[:strings.LastIndexByte(path, '/')+1])
	if err != nil || !filepath.IsAbs(dir) || filepath.Base(dir) != "bin" {
		return i, nil // it has no libraries of its own, or it is missing, which its execution tells
	}
	prefix := filepath.Dir(dir)
	for _, name := range []string{"lib", "pyvenv.cfg"} {
		want := filepath.Join(prefix, name)
		real, err := filepath.EvalSymlinks(want)
		if err != nil || isReadable(real) {
			continue
		}
		info, err := os.Stat(real)
		if err != nil {
			continue
		}
		if err := private(want, real, prefix, info); err != nil {
			return nil, fmt.Errorf("its interpreter %s: %w", path, err)
		}
		i.Read = append(i.Read, real)
	}
	return i, nil
}

// private returns an error if the path leads outside the prefix or other users
// can change it.
func private(path, real, prefix string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !strings.HasPrefix(real, strings.TrimSuffix(prefix, "/")+"/"):
		return fmt.Errorf("%s leads to %s: want a path below %s, because the plugin may read it", path, real, prefix)
	case !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user: want it to be yours or root's", real)
	case info.Mode()&0o002 != 0:
		return fmt.Errorf("%s can be written by others (mode %04o): chmod o-w it", real, info.Mode().Perm())
	}
	return nil
}

// isReadable reports whether every plugin may read the resolved path.
func isReadable(real string) bool {
	for _, r := range readable {
		if at, err := filepath.EvalSymlinks(r.path); err == nil && r.access&read == read && (real == at || strings.HasPrefix(real, at+"/")) {
			return true
		}
	}
	return false
}

// interpreterOf returns the program on the #! line of a script, for example
// "/bin/sh". It is empty for other files.
func interpreterOf(file *os.File) (string, error) {
	var b [256]byte
	n, err := file.ReadAt(b[:], 0)
	if n < 2 {
		if err != nil {
			return "", fmt.Errorf("%s: %w", file.Name(), err)
		}
		return "", fmt.Errorf("%s: want an executable", file.Name())
	}
	if string(b[:2]) != "#!" {
		return "", nil
	}
	line, _, _ := strings.Cut(string(b[2:n]), "\n")
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", fmt.Errorf("%s: the #! line names no interpreter", file.Name())
	}
	return words[0], nil
}

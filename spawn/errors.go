package spawn

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Reason is the reason why a program could not be executed.
type Reason string

// Reasons of a StartError.
const (
	NotFound      Reason = "not-found"      // no such file, or not on PATH
	NoInterpreter Reason = "no-interpreter" // the interpreter after #! is missing
	NoLoader      Reason = "no-loader"      // the dynamic loader of the ELF file is missing
	BadDir        Reason = "bad-dir"        // the working directory cannot be entered
	NotExecutable Reason = "not-executable" // permission, format, or a directory
	OtherReason   Reason = "other"          // the system refused to make a process
)

// StartError means that the program could not be executed. No instruction of it
// has run.
type StartError struct {
	Binary  string // Command.Path
	Reason  Reason
	Missing string // NoInterpreter, NoLoader, BadDir: the path that is missing
	Err     error  // the error of the system
}

func (e *StartError) Unwrap() error { return e.Err }

func (e *StartError) Error() string {
	switch e.Reason {
	case NotFound:
		if !strings.Contains(e.Binary, "/") {
			return fmt.Sprintf("%s: not found on PATH: install it, add its directory to PATH, or give the path to the binary", e.Binary)
		}
		return fmt.Sprintf("%s: not found: check the path, or give a name that is on PATH", e.Binary)
	case NoInterpreter:
		return fmt.Sprintf("%s: its interpreter %q (the #! line) was not found: install it, or correct the line", e.Binary, e.Missing)
	case NoLoader:
		return fmt.Sprintf("%s: its dynamic loader %q was not found: install the libc it was built for, or link it statically", e.Binary, e.Missing)
	case BadDir:
		return fmt.Sprintf("%s: working directory %q: %v: want a directory that exists and can be entered", e.Binary, e.Missing, e.Err)
	case NotExecutable:
		return fmt.Sprintf("%s: cannot be executed: %v", e.Binary, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Binary, e.Err)
}

// lookPath makes an absolute path of Command.Path.
func lookPath(name string) (string, error) {
	if name == "" {
		return "", &StartError{Binary: `""`, Reason: NotFound, Err: fs.ErrNotExist}
	}
	if strings.Contains(name, "/") {
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", &StartError{Binary: name, Reason: OtherReason, Err: err}
		}
		return abs, nil
	}
	var refused error
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue // a relative entry makes the run depend on the working directory
		}
		path := filepath.Join(dir, name)
		switch err := executable(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist) && refused == nil:
			if err == syscall.EACCES {
				err = denied(path)
			}
			refused = &fs.PathError{Op: "exec", Path: path, Err: err}
		}
	}
	if refused != nil {
		return "", &StartError{Binary: name, Reason: NotExecutable, Err: refused}
	}
	return "", &StartError{Binary: name, Reason: NotFound, Err: fs.ErrNotExist}
}

// executable returns nil if path has an execute permission. Exec finds out whether
// it is ours.
func executable(path string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		if err == syscall.ENOTDIR || err == syscall.EACCES {
			return fs.ErrNotExist // an entry of PATH that is no directory, or that we may not search
		}
		return err
	}
	if st.Mode&syscall.S_IFMT == syscall.S_IFDIR {
		return syscall.EISDIR
	}
	if st.Mode&0o111 == 0 {
		return syscall.EACCES
	}
	return nil
}

// startError explains the errno of a failed exec. The kernel gives the same
// ENOENT for a missing directory, file, interpreter and loader.
func startError(c Command, path string, err error) error {
	e := &StartError{Binary: c.Path, Reason: OtherReason, Err: err}
	if c.Dir != "" {
		if derr := enterable(c.Dir); derr != nil {
			e.Reason, e.Missing, e.Err = BadDir, c.Dir, derr
			return e
		}
	}
	switch err {
	case syscall.ENOENT, syscall.ENOTDIR:
		e.Reason = NotFound
		if reason, missing := missingHelper(path, 0); missing != "" {
			e.Reason, e.Missing = reason, missing
		}
	case syscall.EACCES:
		e.Reason, e.Err = NotExecutable, denied(path)
	case syscall.ENOEXEC:
		e.Reason = NotExecutable
		e.Err = fmt.Errorf("%w: want an executable for this machine, or a script whose first line names its interpreter after #!, as in #!/bin/sh", err)
	case syscall.ETXTBSY:
		e.Reason = NotExecutable
		e.Err = fmt.Errorf("%w: it is open for writing", err)
	}
	return e
}

// denied explains why path may not be executed. Its error wraps syscall.EACCES.
func denied(path string) error {
	st, err := os.Stat(path)
	var on unix.Statfs_t
	switch {
	case err != nil:
	case st.IsDir():
		return fmt.Errorf("%w: it is a directory", syscall.EACCES)
	case st.Mode()&0o111 == 0:
		return fmt.Errorf("%w: it is not executable (mode %v): chmod +x it", syscall.EACCES, st.Mode().Perm())
	case unix.Statfs(path, &on) == nil && on.Flags&unix.ST_NOEXEC != 0:
		return fmt.Errorf("%w: its filesystem is mounted noexec: want it on another one", syscall.EACCES)
	}
	return syscall.EACCES
}

// enterable returns nil if dir can be a working directory.
func enterable(dir string) error {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case err != nil:
		return errors.Unwrap(err)
	case !st.IsDir():
		return syscall.ENOTDIR
	}
	return syscall.Access(dir, 1) // X_OK
}

// missingHelper names the interpreter or loader that path needs and that does not
// exist. An interpreter can itself be a script. It follows such scripts as deep
// as the kernel does.
func missingHelper(path string, depth int) (Reason, string) {
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	head := bufio.NewReaderSize(f, 256)
	if magic, _ := head.Peek(2); string(magic) == "#!" {
		line, _ := head.ReadSlice('\n')
		line = line[2:]
		text := strings.Trim(strings.TrimSuffix(string(line), "\n"), " \t")
		if i := strings.IndexAny(text, " \t"); i >= 0 {
			text = text[:i]
		}
		if text == "" {
			return "", ""
		}
		if _, err := os.Stat(text); err != nil {
			return NoInterpreter, text
		}
		if depth < 4 {
			return missingHelper(text, depth+1)
		}
		return "", ""
	}
	x, err := elf.NewFile(f)
	if err != nil {
		return "", ""
	}
	for _, p := range x.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return "", ""
		}
		loader := strings.TrimRight(string(b), "\x00")
		if _, err := os.Stat(loader); err != nil {
			return NoLoader, loader
		}
	}
	return "", ""
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/text"
)

// exports are the values of --export, FORMAT=FILE.
type exports []struct{ format, path string }

func exportFlag(f *pflag.FlagSet, e *exports) {
	f.Var(e, "export", "also write the result as FORMAT to FILE, such as csv=runs.csv, - for stdout; FORMAT is one of "+export.Names()+" (repeatable)")
}

func (e *exports) String() string { return "" }

func (e *exports) Type() string { return "FORMAT=FILE" }

func (e *exports) Set(text string) error {
	name, path, ok := strings.Cut(text, "=")
	if !ok || name == "" || path == "" {
		return errors.New("want FORMAT=FILE, such as csv=runs.csv")
	}
	if _, err := export.Find(name); err != nil {
		return err
	}
	*e = append(*e, struct{ format, path string }{name, path})
	return nil
}

// check returns an error for a file that cannot be written, before the runs are made.
func (e exports) check() error {
	stdout := 0
	for i, x := range e {
		for _, y := range e[:i] {
			if x.path != "-" && sameFile(x.path, y.path) {
				return fmt.Errorf("--export %s=%s: %s goes to the same file: want another file", x.format, x.path, y.format)
			}
		}
		if x.path == "-" {
			if stdout++; stdout > 1 {
				return errors.New("--export: two formats go to stdout: want one")
			}
			continue
		}
		if info, err := os.Stat(x.path); err == nil && info.IsDir() {
			return fmt.Errorf("--export %s=%s: it is a directory: want a file", x.format, x.path)
		} else if err == nil && info.Mode()&os.ModeCharDevice != 0 {
			f, err := openExport(x.path)
			if err != nil {
				return fmt.Errorf("--export %s=%s: %w", x.format, x.path, err)
			}
			f.Close()
		}
		if _, err := os.Stat(filepath.Dir(x.path)); err != nil {
			return fmt.Errorf("--export %s=%s: %w", x.format, x.path, err)
		}
	}
	return nil
}

// sameFile reports whether writing to a overwrites b. Devices such as /dev/null are never
// the same file.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	switch {
	case errA == nil && errB == nil:
		return infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
	case errA == nil || errB == nil:
		return false
	}
	// Neither file exists yet.
	dirA, errA := os.Stat(filepath.Dir(a))
	dirB, errB := os.Stat(filepath.Dir(b))
	return filepath.Base(a) == filepath.Base(b) && errA == nil && errB == nil && os.SameFile(dirA, dirB)
}

// toStdout reports whether an export goes to stdout. It replaces the normal output.
func (e exports) toStdout() bool {
	for _, x := range e {
		if x.path == "-" {
			return true
		}
	}
	return false
}

// writeExports writes every export, also after one of them failed.
func (a *app) writeExports(e exports, s export.Source) error {
	var failed []error
	for _, x := range e {
		if err := a.writeExport(x.format, x.path, s); err != nil {
			failed = append(failed, &exitError{core.ExitRun, fmt.Errorf("--export %s=%s: %w", x.format, x.path, err)})
		}
	}
	return a.joinErrors(failed...)
}

func (a *app) writeExport(format, path string, s export.Source) error {
	if path == "-" {
		return a.printExport(format, s)
	}
	f, err := openExport(path)
	if err != nil {
		return err
	}
	return errors.Join(export.Write(f, format, s), f.Close())
}

// openExport opens the file of an export.
func openExport(path string) (*os.File, error) {
	// O_NONBLOCK: opening a named pipe without a reader fails and does not wait.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o666)
	if !errors.Is(err, unix.ENXIO) {
		return f, err
	}
	info, errStat := os.Stat(path)
	switch {
	case path == "/dev/tty":
		err = errors.New("this process has no terminal: want a file, or - for stdout")
	case errStat == nil && info.Mode()&os.ModeNamedPipe != 0:
		err = errors.New("it is a named pipe without a reader: start the reader first")
	}
	return nil, err
}

// printExport writes an export to stdout. On a terminal it replaces control characters.
// JSON escapes them everywhere, which does not change its meaning.
func (a *app) printExport(format string, s export.Source) error {
	var b bytes.Buffer
	if err := export.Write(&b, format, s); err != nil {
		return err
	}
	out := b.Bytes()
	switch {
	case strings.HasPrefix(format, "json"):
		out = text.EscapeJSON(out)
	case terminal(a.stdout) > 0:
		out = []byte(text.Printable(b.String()))
	}
	_, err := a.stdout.Write(out)
	return err
}

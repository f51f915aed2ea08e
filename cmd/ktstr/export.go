package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/export"
	"github.com/ktstr/ktstr/internal/text"
)

// exports are the flags --export, --redact and --push.
type exports struct {
	files  []exportFile
	redact bool
	push   gateway
}

// exportFile is one value of --export, FORMAT=FILE.
type exportFile struct{ format, path string }

func exportFlag(f *pflag.FlagSet, e *exports) {
	f.Var(e, "export", "also write the result as FORMAT to FILE, such as csv=runs.csv, - for stdout; FORMAT is one of "+export.Names()+" (repeatable)")
	redactFlag(f, &e.redact)
	f.Var(&e.push, "push", "also send the result to the Pushgateway of Prometheus at `URL`, such as http://localhost:9091")
}

func redactFlag(f *pflag.FlagSet, redact *bool) {
	f.BoolVar(redact, "redact", false, "replace the names of users, hosts and home directories in exports, such as alice by user")
}

// completeExport completes the format of --export.
func completeExport(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	if strings.Contains(word, "=") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var words []string
	for _, f := range export.Formats() {
		words = append(words, f.Name+"=\t"+f.Summary)
	}
	return words, cobra.ShellCompDirectiveNoSpace
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
	e.files = append(e.files, exportFile{name, path})
	return nil
}

// any reports whether the result is exported.
func (e exports) any() bool { return len(e.files) > 0 || e.push.given }

// gateway is the value of --push. It may contain a password. So it is never printed, and Set,
// whose error would print it, accepts everything. check returns the error.
type gateway struct {
	address string
	given   bool
}

func (g *gateway) String() string { return "" }

func (g *gateway) Type() string { return "URL" }

func (g *gateway) Set(text string) error {
	g.address, g.given = text, true
	return nil
}

// where returns the address without the password, for messages.
func (g gateway) where() string {
	if u, err := export.Gateway(g.address); err == nil {
		return u.Scheme + "://" + u.Host
	}
	return "URL"
}

// check returns an error for a file that cannot be written, before the runs are made.
func (e exports) check() error {
	if e.push.given {
		if _, err := export.Gateway(e.push.address); err != nil {
			return fmt.Errorf("--push: %w", err)
		}
	}
	if e.redact && !e.any() {
		return errors.New("--redact changes exports only: want --export or --push with it")
	}
	stdout := 0
	for i, x := range e.files {
		for _, y := range e.files[:i] {
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
	for _, x := range e.files {
		if x.path == "-" {
			return true
		}
	}
	return false
}

// writeExports writes every export, also after one of them failed.
func (a *app) writeExports(e exports, s export.Source) error {
	if e.redact {
		redacted, err := export.Redact(s)
		if err != nil {
			return &exitError{core.ExitRun, fmt.Errorf("--redact: %w", err)}
		}
		s = redacted
	}
	var failed []error
	for _, x := range e.files {
		if err := a.writeExport(x.format, x.path, s); err != nil {
			failed = append(failed, &exitError{core.ExitRun, fmt.Errorf("--export %s=%s: %w", x.format, x.path, err)})
		}
	}
	if e.push.given {
		u, err := export.Gateway(e.push.address)
		if err == nil {
			err = export.Push(context.Background(), u, s) // also after Ctrl-C, like the files
		}
		if err != nil {
			failed = append(failed, &exitError{core.ExitRun, fmt.Errorf("--push %s: %w", e.push.where(), err)})
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

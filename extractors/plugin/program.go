package plugin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/internal/sandbox"
)

// findProgram opens the executable and checks it, once for all the times that
// it may be started.
func (p *Plugin) findProgram() error {
	c := &p.config
	if (c.Path == "") == (c.Self == nil) {
		return p.fail("start", Refused, nil, errors.New("want either a Path or Self"))
	}
	if c.Self != nil {
		return nil
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return p.fail("start", Refused, nil, err)
	}
	c.Path = path
	if p.file, err = program.Open(path); err != nil {
		fault := Refused
		if errors.Is(err, fs.ErrNotExist) {
			fault = CannotStart
		}
		return p.fail("start", fault, nil, err)
	}
	info, err := p.file.Stat()
	switch {
	case err != nil:
	case program.IsTable(path):
	case info.Mode()&0o005 != 0o005 && c.sandboxed() && privateUser() != 0,
		c.SHA256 != "" && othersWrite(info):
		// A copy is needed in two cases. The private user of a plugin may not execute
		// this file. Or another user could write to it between hash and execution.
		err = p.copyProgram()
	}
	if err == nil && c.SHA256 != "" {
		err = p.checkHash()
	}
	if err == nil && c.sandboxed() && !program.IsTable(path) {
		p.interpreter, err = sandbox.FindInterpreter(p.file)
	}
	if err != nil {
		p.closeProgram()
		return p.fail("start", Refused, nil, err)
	}
	return nil
}

// othersWrite reports whether other users than this one and root can write to
// the file.
func othersWrite(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || info.Mode()&0o020 != 0 || st.Uid != 0 && int(st.Uid) != os.Geteuid()
}

// sandboxed reports whether the plugin is asked to run in a sandbox.
func (c *Config) sandboxed() bool { return !c.Unsandboxed && (c.Self != nil || c.Launcher != nil) }

func (p *Plugin) closeProgram() {
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
}

// checkHash compares the hash of the very descriptor that is executed later.
func (p *Plugin) checkHash() error {
	got, err := program.Hash(p.file)
	if err != nil {
		return err
	}
	if !strings.EqualFold(got, p.config.SHA256) {
		if why := p.config.Mismatch; why != "" {
			return fmt.Errorf("its SHA-256 is %s: %s", got, why)
		}
		return fmt.Errorf("its SHA-256 is %s: want %s: it was changed, or another build was installed", got, p.config.SHA256)
	}
	return nil
}

// copyProgram replaces p.file by a copy in memory that everybody may execute.
func (p *Plugin) copyProgram() error {
	fd, err := unix.MemfdCreate(filepath.Base(p.config.Path), unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	w := os.NewFile(uintptr(fd), p.config.Path)
	defer w.Close()
	if _, err := io.Copy(w, p.file); err != nil {
		return err
	}
	if err := w.Chmod(0o555); err != nil {
		return err
	}
	// A file that is open for writing cannot be executed (ETXTBSY).
	r, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err
	}
	p.file.Close()
	p.file = r
	return nil
}

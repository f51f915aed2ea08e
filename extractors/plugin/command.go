package plugin

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/extractors/plugin/internal/program"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
)

// LauncherMain is the main function of a launcher: of the process that a
// Config's Launcher starts. args are the plugin's argv, as they follow Launcher
// on the command line. It restricts itself and becomes the plugin; it returns,
// with an exit status, only if that fails.
func LauncherMain(args []string) int {
	var p sandbox.Policy
	policy := os.Getenv(wire.SandboxKey)
	if err := json.Unmarshal([]byte(policy), &p); policy == "" || err != nil || len(args) == 0 {
		fmt.Fprintln(os.Stderr, "ktstr: this is the launcher of plugins, which ktstr starts by itself")
		return 2
	}
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, wire.SandboxKey+"=") {
			env = append(env, v)
		}
	}
	sandbox.Launch(p, os.NewFile(3, args[0]), os.NewFile(4, "report"), args, env)
	return 126 // the report says why
}

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
	case info.Mode()&0o005 != 0o005 && c.sandboxed() && privateUser() != 0,
		c.SHA256 != "" && othersWrite(info):
		// Plugins do not run as root, and the user that they do run as may not execute
		// this file; or somebody could write to it between the hash and the execution.
		err = p.copyProgram()
	}
	if err == nil && c.SHA256 != "" {
		err = p.checkHash()
	}
	if err != nil {
		p.closeProgram()
		return p.fail("start", Refused, nil, err)
	}
	return nil
}

// othersWrite reports whether somebody else than this user and root can change
// the file's bytes in their place.
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
	// What is open for writing cannot be executed.
	r, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err
	}
	p.file.Close()
	p.file = r
	return nil
}

// command returns what to execute for the plugin.
func (p *Plugin) command() command {
	const self = "/proc/self/exe"
	c := &p.config
	switch {
	case c.Self != nil:
		return command{path: self, argv: append([]string{os.Args[0]}, c.Self...), name: os.Args[0], sandbox: c.sandboxed()}
	case c.sandboxed():
		path, argv := self, append(append([]string{os.Args[0]}, c.Launcher...), c.Path)
		if len(c.Launcher) > 0 && filepath.IsAbs(c.Launcher[0]) {
			path, argv = c.Launcher[0], argv[1:]
		}
		return command{path: path, argv: argv, file: p.file, name: c.Path, sandbox: true, isolated: true}
	}
	return command{path: "/proc/self/fd/3", argv: []string{c.Path}, file: p.file, name: c.Path}
}

// firstUser begins the range of private users.
const firstUser = 0x70000000

// privateUser returns a number for a user and a group that nobody else has, if
// this process is root; else 0. The range is one that no distribution and no
// container manager gives out.
func privateUser() int {
	if os.Geteuid() != 0 {
		return 0
	}
	const bits = 0x00ffffff
	var b [4]byte
	rand.Read(b[:])
	if uid := firstUser + int(binary.LittleEndian.Uint32(b[:])&bits); allUsers() {
		return uid
	}
	return 0
}

// allUsers reports whether this process may become any user: in a container it
// may be root over a few only.
var allUsers = sync.OnceValue(func() bool {
	for _, path := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		var inside, outside, count uint64
		if _, err := fmt.Sscan(string(text), &inside, &outside, &count); err != nil || inside != 0 || count < 0x7fffffff {
			return false
		}
	}
	return true
})

package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/ktstr/ktstr/internal/sandbox"
	"github.com/ktstr/ktstr/internal/wire"
)

// LauncherMain is the main function of the launcher process (Config.Launcher).
// args are the plugin's argv: the arguments after Launcher. The launcher
// restricts itself, then executes the plugin. LauncherMain returns an exit
// status only if that fails.
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

// command returns the command that starts the plugin.
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

// Probe reports the restrictions under which plugins run on this machine. To
// find them it starts the running executable through its own launcher. launcher
// is as in Config and must name the running executable.
func Probe(ctx context.Context, launcher []string) (sandbox.Report, error) {
	p := &Plugin{config: Config{Name: "probe", Path: os.Args[0], Launcher: launcher, Log: hclog.NewNullLogger()}}
	if len(launcher) == 0 {
		return nil, p.fail("start", Refused, nil, errors.New("want a launcher"))
	}
	var err error
	if p.file, err = os.Open("/proc/self/exe"); err != nil {
		return nil, p.fail("start", CannotStart, nil, err)
	}
	defer p.closeProgram()
	// The launcher executes a second launcher, which has no policy and exits at once.
	proc, err := p.runOnce(ctx, launcher[len(launcher)-1], nil, nil, nil, 10*time.Second, func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if proc == nil || proc.report.Report == nil {
		return nil, err
	}
	return proc.report.Report, nil
}

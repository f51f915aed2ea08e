package plugin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	if policy == "" && len(args) == 2 && args[0] == accessVerb {
		return tryAccesses(args[1])
	}
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
		return command{path: path, argv: argv, file: p.file, name: c.Path, sandbox: true, isolated: true, interpreter: p.interpreter, memory: cmp.Or(c.memory, memoryLimit())}
	}
	return command{path: "/proc/self/fd/3", argv: []string{c.Path}, file: p.file, name: c.Path}
}

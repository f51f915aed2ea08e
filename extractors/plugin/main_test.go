package plugin

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
)

// The test binary is every plugin of these tests: as `_plugin NAME`, and under
// the name ktstr-plugin-NAME.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "_launch" {
		os.Exit(LauncherMain(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "_host" {
		hostMain()
	}
	name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "ktstr-plugin-")
	if len(os.Args) == 3 && os.Args[1] == "_plugin" {
		name, ok = os.Args[2], true
	}
	if ok {
		serve, known := testPlugins()[name]
		if !known {
			fmt.Fprintf(os.Stderr, "no test plugin %q\n", name)
			os.Exit(1)
		}
		serve()
	}
	os.Exit(testkit.Run(m))
}

// start starts a bundled test plugin.
func start(t *testing.T, name string) *Plugin {
	t.Helper()
	return startConfig(t, Config{Name: name, Self: []string{"_plugin", name}})
}

func startConfig(t *testing.T, c Config) *Plugin {
	t.Helper()
	p, err := startPatiently(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func self(name string) Config { return Config{Self: []string{"_plugin", name}} }

// own is the same plugin as an executable of its own, in the sandbox.
func own(t *testing.T, name string) Config {
	return Config{Path: testkit.Executable(t, name), Launcher: []string{"_launch"}}
}

func bare(c Config) Config { c.Unsandboxed = true; return c }

// hostMain is a host that starts plugins, tells their pids, and waits to be killed.
func hostMain() {
	var pids []string
	var configs []Config
	for _, path := range os.Args[2:] {
		configs = append(configs, Config{Path: path, Launcher: []string{"_launch"}}, Config{Path: path})
	}
	configs = append(configs, self("echo"), bare(self("deaf")), self("busy"))
	for _, c := range configs {
		p, err := startPatiently(context.Background(), c)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		pids = append(pids, strconv.Itoa(p.Pid()))
		if len(pids)%2 == 0 {
			p.Freeze()
		}
	}
	fmt.Println(strings.Join(pids, " "))
	forever()
}

func must(err error, what string) {
	if err != nil {
		panic(what + ": " + err.Error())
	}
}

// startPatiently is Start with deadlines for a loaded machine. Tests of a
// deadline set it themselves.
func startPatiently(ctx context.Context, c Config) (*Plugin, error) {
	c.StartTimeout = cmp.Or(c.StartTimeout, time.Minute)
	c.DescribeTimeout = cmp.Or(c.DescribeTimeout, time.Minute)
	c.ExtractTimeout = cmp.Or(c.ExtractTimeout, time.Minute)
	return Start(ctx, c)
}

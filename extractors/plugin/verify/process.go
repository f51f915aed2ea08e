package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
)

// process is the executable under test and one plugin started from it, which
// most checks share.
type process struct {
	cfg    Config
	plugin *plugin.Plugin
	script bool // a process a call, and none in between
}

func startProcess(ctx context.Context, cfg Config) (*process, error) {
	p := &process{cfg: cfg}
	var err error
	if p.plugin, err = p.start(ctx, 0); err != nil {
		return nil, err
	}
	p.script = p.plugin.Interface() == plugin.Script
	return p, nil
}

// start starts one more plugin, which gets captures in pieces of chunk bytes
// (0: as usual).
func (p *process) start(ctx context.Context, chunk int) (*plugin.Plugin, error) {
	return plugin.Start(ctx, plugin.Config{Path: p.cfg.Path, Launcher: p.cfg.Launcher, Chunk: chunk})
}

func (p *process) close()                     { p.plugin.Close() }
func (p *process) extractor() ktstr.Extractor { return p.plugin }

// memory is what the plugin's process holds of the machine's memory, in bytes; 0
// if it has none.
func (p *process) memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.plugin.Pid()))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("\nVmRSS:"))
	f := bytes.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(string(f[0]), 10, 64)
	return kib << 10
}

// call executes the plugin with arguments, as a person would.
func (p *process) call(ctx context.Context, stdin []byte, verb string, more ...string) (plugin.Answer, error) {
	return p.plugin.Call(ctx, 10*time.Second, stdin, verb, more...)
}

// switches sums the context switches of a process's threads.
func switches(pid int) (n int64, err error) {
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("process %d is gone", pid)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread ended
		}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			if strings.HasSuffix(key, "voluntary_ctxt_switches") {
				v, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
				n += v
			}
		}
	}
	return n, err
}

// relative is a process as it was seen once.
type relative struct {
	pid     int
	name    string
	started string // since boot; tells it from a later one of that pid
}

// lookup returns the process with that id, unless there is none but a zombie.
func lookup(pid int) (relative, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return relative{}, false
	}
	// The name is in parentheses and may hold anything (proc_pid_stat(5)).
	open, shut := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || shut < open {
		return relative{}, false
	}
	f := strings.Fields(string(text[shut+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return relative{}, false
	}
	return relative{pid, string(text[open+1 : shut]), f[19]}, true
}

func (r relative) alive() bool {
	now, ok := lookup(r.pid)
	return ok && now.started == r.started
}

// descendants returns the processes below pid.
func descendants(pid int) []relative {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	children := map[int][]relative{}
	for _, path := range paths {
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		r, ok := lookup(id)
		if !ok {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], r)
		}
	}
	var found []relative
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		for _, child := range children[next[0]] {
			found = append(found, child)
			next = append(next, child.pid)
		}
	}
	return found
}

package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/linux"
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

// memory returns the resident memory of the plugin's process in bytes, 0 if
// there is no process.
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

// relative is a process as it was seen once.
type relative struct {
	pid     int
	name    string
	started uint64 // ticks since boot: tells it from a later process with the same id
	parent  int
}

// lookup returns the process with that id, unless there is none but a zombie.
func lookup(pid int) (relative, bool) {
	s, err := linux.ReadStat(pid)
	if err != nil || s.Ended() || s.WithoutFirst() {
		return relative{}, false
	}
	return relative{pid, s.Name, s.Start, s.Parent}, true
}

func (r relative) alive() bool {
	now, ok := lookup(r.pid)
	return ok && now.started == r.started
}

// descendants returns the processes below pid.
func descendants(pid int) []relative {
	pids, err := linux.Processes()
	if err != nil {
		return nil
	}
	children := map[int][]relative{}
	for _, id := range pids {
		if r, ok := lookup(id); ok {
			children[r.parent] = append(children[r.parent], r)
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

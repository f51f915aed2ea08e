// Package fleettest is an engine whose hosts are directories of this machine. It is for
// tests, and shows that a new engine takes one package.
package fleettest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/linux"
)

// An Engine has a host for each name. Dir/NAME has the files of the host.
type Engine struct {
	Dir   string
	Names []string
	// Wrap may change a connection, for example to cut it. nil: it changes none.
	Wrap func(host string, c fleet.Conn) fleet.Conn
}

// Submit implements fleet.Engine.
func (e Engine) Submit(ctx context.Context, job fleet.Order) ([]fleet.Host, error) {
	return e.Reopen(ctx, job, nil)
}

// Reopen implements fleet.Engine.
func (e Engine) Reopen(_ context.Context, job fleet.Order, _ []fleet.Handle) (hosts []fleet.Host, err error) {
	for _, name := range e.Names {
		hosts = append(hosts, host{e, name, job})
	}
	return hosts, nil
}

// Starts implements fleet.Engine.
func (Engine) Starts() bool { return false }

type host struct {
	engine Engine
	name   string
	job    fleet.Order
}

func (h host) Handle() fleet.Handle         { return fleet.Handle{Name: h.name} }
func (h host) Cancel(context.Context) error { return errors.ErrUnsupported }

// Node returns the SLURMD_NODENAME of a host, by which it has a host lock of its own.
func (e Engine) Node(name string) string {
	sum := sha256.Sum256([]byte(filepath.Join(e.Dir, name)))
	return "fleettest-" + hex.EncodeToString(sum[:8])
}

// Processes returns the processes of a host, which have its directory as their home.
// Unless attached is set, those that serve a connection are left out.
func (e Engine) Processes(name string, attached bool) (pids []int) {
	home := "HOME=" + filepath.Join(e.Dir, name)
	all, _ := linux.Processes()
	for _, pid := range all {
		proc := "/proc/" + strconv.Itoa(pid)
		environ, _ := os.ReadFile(proc + "/environ")
		command, _ := os.ReadFile(proc + "/cmdline")
		if slices.Contains(strings.Split(string(environ), "\x00"), home) && (attached || !strings.Contains(string(command), fleet.AttachVerb)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Close waits until the processes of the hosts have ended, which write into the
// directories, and removes the lock files. The error says which had not ended after a
// minute.
func (e Engine) Close() error {
	for _, name := range e.Names {
		start := time.Now()
		for left := e.Processes(name, true); len(left) > 0; left = e.Processes(name, true) {
			if time.Since(start) > time.Minute {
				return fmt.Errorf("the processes %v of host %s have not ended", left, name)
			}
			linux.Pause(10 * time.Millisecond)
		}
		for _, dir := range []string{"/run", "/dev/shm"} {
			os.Remove(filepath.Join(dir, "ktstr-"+e.Node(name)+".lock"))
		}
	}
	return nil
}

// Attach starts the process of a host here. A host whose directory is missing is down.
func (h host) Attach(ctx context.Context, note func(string)) (fleet.Conn, error) {
	note("connecting")
	home := filepath.Join(h.engine.Dir, h.name)
	if _, err := os.Stat(home); err != nil {
		return nil, fmt.Errorf("the host is down: %w", err)
	}
	c := exec.CommandContext(ctx, h.job.Ktstr.Path, fleet.AttachVerb, h.job.Name)
	c.Dir = home
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		c.Env = append(c.Env, name+"="+home)
	}
	// Each host has a lock of its own, as each node of Slurm on one machine.
	c.Env = append(c.Env, "PATH="+os.Getenv("PATH"), "SLURMD_NODENAME="+h.engine.Node(h.name))
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	var conn fleet.Conn = &process{in, out, sync.OnceValue(c.Wait)}
	if h.engine.Wrap != nil {
		conn = h.engine.Wrap(h.name, conn)
	}
	return conn, nil
}

type process struct {
	io.WriteCloser
	out  io.Reader
	wait func() error
}

func (p *process) Read(b []byte) (int, error) { return p.out.Read(b) }

// Close ends the connection and waits for the process.
func (p *process) Close() error {
	return errors.Join(p.WriteCloser.Close(), p.wait())
}

package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/internal/wire"
	"golang.org/x/sys/unix"
)

func checkHandshake(ctx context.Context, r *run, c check) {
	// Version, address and protocol were checked by the host that started it.
	c.notef("protocol %d", wire.Protocol)
	switch a, err := r.proc.call(ctx, nil, ""); {
	case err != nil:
		c.failf(nil, "started by a person, without a host's cookie: %v: want a word about what it is on stderr, and an exit status that is not 0", err)
	case a.Exit == "":
		c.failf(nil, "started by a person, without a host's cookie, it ends with exit status 0: want another one")
	case len(a.Stderr) == 0:
		c.failf(nil, "started by a person, without a host's cookie, it says nothing on stderr: want a word about what it is")
	}
}

func checkDescribeWord(ctx context.Context, r *run, c check) {
	a, err := r.proc.call(ctx, nil, "describe")
	if err != nil {
		c.failf(nil, "describe: %v", err)
		return
	}
	if a.Exit != "" {
		c.skipf("`describe` ends with %s: it is for people, and optional", a.Exit)
		return
	}
	d, kind, err := wire.ParseDescription(a.Stdout)
	if err != nil {
		c.failf(nil, "%v", err)
		return
	}
	got, want := wire.DescriptionJSON(d, kind), wire.DescriptionJSON(r.desc, kind)
	if !bytes.Equal(got, want) {
		c.failf(nil, "`describe` prints something else than the host is told: %s", firstDifference(got, want))
	}
}

// firstDifference shows the first line that differs.
func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("%q, the host %q", strings.TrimSpace(g[i]), strings.TrimSpace(w[i]))
		}
	}
	return fmt.Sprintf("%d lines, the host %d", len(g), len(w))
}

func checkFilter(ctx context.Context, r *run, c check) {
	for _, k := range r.samples() {
		out := ktstr.Output{Stream: k.Streams[0].Stream, Data: k.Streams[0].Data, ExitCode: k.Streams[0].ExitCode, Truncated: k.Streams[0].Truncated}
		args := []string{"--stream", string(out.Stream)}
		if out.ExitCode != nil {
			args = append(args, "--exit-code", strconv.Itoa(*out.ExitCode))
		}
		if out.Truncated {
			args = append(args, "--truncated")
		}
		a, err := r.proc.call(ctx, out.Data, "extract", args...)
		in := &input{words: k.Name + "/" + fileName(out.Stream), streams: []ktstr.Output{out}}
		if err != nil {
			c.failf(in, "extract: %v", err)
			continue
		}
		if !bytes.HasPrefix(bytes.TrimSpace(a.Stdout), []byte("{")) {
			c.skipf("`extract` prints no document (%s): it is for people, and optional", a.Exit)
			return
		}
		_, want := r.document(ctx, c, in)
		if diff := Diff(a.Stdout, want); diff != "" {
			c.failf(in, "`extract` prints something else than the host is told: %s", diff)
		}
	}
}

func checkChunks(ctx context.Context, r *run, c check) {
	k := r.samples()[0]
	for _, other := range r.samples() {
		if n := len(other.Streams[0].Data); n > 0 && n < len(k.Streams[0].Data) {
			k = other
		}
	}
	want := r.plainDocument(ctx, c, k)
	for _, size := range []int{1, 7, 4096, 64 << 10} {
		if len(k.Streams[0].Data)/size > 100_000 {
			continue // a message a byte of a large capture shows nothing more
		}
		plugin, err := r.proc.start(ctx, size)
		if err != nil {
			c.failf(nil, "starting it once more: %v", err)
			return
		}
		res := extract.Run(ctx, plugin, k.Streams, nil)
		plugin.Close()
		if got := res.AppendJSON(nil); !bytes.Equal(got, want) {
			c.failf(asCaptured(k), "%s in pieces of %d bytes gives something else: %s", k.Name, size, Diff(got, want))
		}
	}
}

func checkDeadline(ctx context.Context, r *run, c check) {
	data := bytes.Repeat([]byte("the quick brown fox jumps over 13 lazy dogs: 12.5 MiB/s, 3 us\n"), large/62)
	in := &input{words: "16 MiB of prose", streams: []ktstr.Output{{Stream: ktstr.Stdout, Data: data}}}
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	began := now()
	_, err := r.proc.plugin.Extract(short, in.streams[0])
	if err == nil {
		c.notef("it had read 16 MiB before the deadline of 5 ms")
	}
	if took := since(began); took > 5*time.Second {
		c.failf(in, "the call came back %v after a deadline of 5 ms", took)
	}
	k := r.samples()[0]
	if _, doc := r.document(ctx, c, asCaptured(k)); !bytes.Equal(doc, r.plainDocument(ctx, c, k)) {
		c.failf(asCaptured(k), "%s: after a call that was cut short it gives something else: %s", k.Name, Diff(doc, r.plain[k.Name]))
	}
}

// observed is how long a plugin is watched while it should do nothing.
const observed = 500 * time.Millisecond

// watch waits for that long, or for the end of ctx.
func watch(ctx context.Context) {
	t := time.NewTimer(observed)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func checkFreeze(ctx context.Context, r *run, c check) {
	thaw, err := r.proc.plugin.Freeze()
	if err != nil {
		c.failf(nil, "%v", err)
		return
	}
	watch(ctx)
	u, err := thaw()
	if err != nil {
		c.failf(nil, "%v", err)
		return
	}
	if n := u.Voluntary + u.Involuntary; n > 0 || u.User+u.System > 0 {
		c.failf(nil, "frozen for %v it had %d context switches and used %v of CPU time: want none", observed, n, u.User+u.System)
	}
	k := r.samples()[0]
	if _, doc := r.document(ctx, c, asCaptured(k)); !bytes.Equal(doc, r.plainDocument(ctx, c, k)) {
		c.failf(asCaptured(k), "%s: after the thaw it gives something else: %s", k.Name, Diff(doc, r.plain[k.Name]))
	}
}

func checkIdle(ctx context.Context, r *run, c check) {
	pid := r.proc.plugin.Pid()
	waited, preempted, err := linux.ContextSwitches(pid)
	watch(ctx)
	waitedAfter, preemptedAfter, err2 := linux.ContextSwitches(pid)
	if err := errors.Join(err, err2); err != nil {
		c.failf(nil, "%v", err)
		return
	}
	c.notef("%d context switches in %v", waitedAfter-waited+preemptedAfter-preempted, observed)
}

func checkShutdown(ctx context.Context, r *run, c check) {
	plugin, err := r.proc.start(ctx, 0)
	if err != nil {
		c.failf(nil, "starting it once more: %v", err)
		return
	}
	r.x.problems = nil
	if _, err := plugin.Extract(ctx, r.samples()[0].Streams[0]); err != nil {
		c.failf(nil, "%v", err)
	}
	children := descendants(plugin.Pid())
	began := now()
	plugin.Close()
	took := since(began)
	exit := plugin.Exit()
	c.notef("%v, %s", took, exit)
	if exit != "exit status 0" {
		c.failf(nil, "asked to end (plugin.GRPCController/Shutdown) it did not within 300 ms: it was killed (%s)", exit)
	}
	for _, child := range children {
		if child.alive() {
			c.failf(nil, "it left process %d (%s) behind", child.pid, child.name)
		}
	}
}

// checkOrphan kills a host and looks whether the plugin outlives it.
func checkOrphan(ctx context.Context, r *run, c check) {
	if r.cfg.Host == nil {
		c.skipf("this needs a host that may be killed: `ktstr plugin verify` is one")
		return
	}
	path, err := filepath.Abs(r.cfg.Path)
	if err != nil {
		c.failf(nil, "%v", err)
		return
	}
	host := exec.CommandContext(ctx, "/proc/self/exe", append(append(slices.Clone(r.cfg.Host), path), r.cfg.Launcher...)...)
	in, err1 := host.StdinPipe()
	out, err2 := host.StdoutPipe()
	if err := errors.Join(err1, err2, host.Start()); err != nil {
		c.failf(nil, "starting a host: %v", err)
		return
	}
	defer in.Close()
	var pid int
	_, err = fmt.Fscan(out, &pid)
	plugin, err3 := unix.PidfdOpen(pid, 0)
	host.Process.Kill()
	host.Wait()
	if err := errors.Join(err, err3); err != nil {
		c.failf(nil, "the host could not start the plugin: %v", err)
		return
	}
	defer unix.Close(plugin)
	const patience = 2 * time.Second
	ended := []unix.PollFd{{Fd: int32(plugin), Events: unix.POLLIN}}
	n, err := unix.Poll(ended, int(patience.Milliseconds()))
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(ended, int(patience.Milliseconds()))
	}
	if n == 0 {
		c.failf(nil, "process %d is still there %v after its host was killed", pid, patience)
	}
}

// Host is the host that the check "orphan" kills: it starts the plugin args[0] with
// the launcher in the rest of args, prints the plugin's process id, and waits
// until stdin ends.
func Host(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "want the path of a plugin")
		return 2
	}
	plugin, err := plugin.Start(context.Background(), plugin.Config{Path: args[0], Launcher: args[1:]})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer plugin.Close()
	fmt.Println(plugin.Pid())
	var b [1]byte
	os.Stdin.Read(b[:])
	return 0
}

func checkSandbox(ctx context.Context, r *run, c check) {
	report := r.proc.plugin.Sandbox()
	if len(report) == 0 {
		c.skipf("it ran without a sandbox: `ktstr plugin verify` puts it into one")
		return
	}
	c.notef("%s", report)
	if len(r.cfg.Launcher) == 0 || filepath.IsAbs(r.cfg.Launcher[0]) {
		return // the running executable is not the launcher, so that it cannot be probed
	}
	probed, err := plugin.Probe(ctx, r.cfg.Launcher)
	if err != nil {
		c.failf(nil, "%v", err)
		return
	}
	for _, name := range probed.Holes() {
		c.failf(nil, "the sandbox of this machine allows the access %q: want it refused (docs/sandbox.md)", name)
	}
	c.notef("%d kinds of access were tried", len(probed.Accesses))
}

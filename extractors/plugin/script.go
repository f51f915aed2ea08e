package plugin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/internal/text"
	"github.com/ktstr/ktstr/internal/wire"
)

// Interface says how an executable is spoken to.
type Interface = wire.Interface

// The interfaces. A script plugin is an executable in any language that prints
// its description for `describe`, and for `extract` reads a capture on standard
// input and prints JSON lines.
const (
	GRPC   = wire.GRPC
	Script = wire.Script
	Table  = wire.Table
)

// isText reports whether the executable starts with a #! line.
func (p *Plugin) isText() bool {
	var b [2]byte
	_, err := p.file.ReadAt(b[:], 0)
	return err == nil && string(b[:]) == "#!"
}

// describeByCommand runs `describe` and takes over the description that it
// prints.
func (p *Plugin) describeByCommand(ctx context.Context) error {
	var printed bytes.Buffer
	proc, err := p.runOnce(ctx, "describe", nil, nil, nil, p.config.DescribeTimeout, func(r io.Reader) error {
		lines := bufio.NewReader(io.LimitReader(r, wire.MaxPart))
		for {
			line, err := lines.ReadBytes('\n')
			if printed.Len() == 0 && checkHandshake(string(bytes.TrimSpace(line))) == nil {
				return errors.New("it answers with a handshake line, as one that speaks gRPC does")
			}
			if printed.Write(line); printed.Len() == wire.MaxPart {
				return fmt.Errorf("it prints %d bytes and more: want one JSON object", wire.MaxPart)
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	d, i, err := wire.ParseDescription(printed.Bytes())
	if said := bytes.TrimSpace(printed.Bytes()); err != nil && !bytes.ContainsRune(said, '{') {
		err = fmt.Errorf("this is no plugin: `describe` printed %s: want one JSON object", quote(string(said)))
	}
	if err != nil {
		return p.fail("describe", BadAnswer, proc, errors.New(text.Line(err.Error())))
	}
	if i == Table {
		return p.fail("describe", BadAnswer, proc, fmt.Errorf("it calls itself a table: want the interface %q or %q of an executable", GRPC, Script))
	}
	if err := p.checkIdentity(d); err != nil {
		return p.fail("describe", BadAnswer, proc, err)
	}
	p.description, p.config.Interface, p.report = d, i, proc.report.Report
	return nil
}

// checkIdentity returns an error if the description is not that of the wanted
// plugin.
func (p *Plugin) checkIdentity(d ktstr.Description) error {
	if want := p.config.Name; want != "" && d.Name != want {
		return fmt.Errorf("the plugin calls itself %s: want %s", quote(d.Name), quote(want))
	}
	if want := p.config.Version; want != "" && d.Version != want {
		return fmt.Errorf("the plugin has version %s: the lock says %s: write the lock again with `ktstr plugin lock`", quote(d.Version), quote(want))
	}
	return nil
}

// extractByCommand runs `extract` with the capture as standard input.
func (p *Plugin) extractByCommand(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return ktstr.Extraction{}, p.fail("extract", Closed, nil, errors.New("want a Plugin that is open"))
	}
	in, err := memoryFile("capture", bytes.NewReader(out.Data))
	if err != nil {
		return ktstr.Extraction{}, p.fail("extract", CannotStart, nil, err)
	}
	defer in.Close()
	var answer wire.Answer
	var bad error
	proc, err := p.runOnce(ctx, "extract", nil, scriptEnv(out), in, p.extractTimeout(out), func(r io.Reader) error {
		bad = readLines(r, &answer)
		return bad
	})
	var failed *wire.Failed
	switch {
	case errors.As(bad, &failed):
		return ktstr.Extraction{}, p.fail("extract", Failed, nil, errors.New(text.Line(failed.Message)))
	case bad != nil:
		return ktstr.Extraction{}, p.fail("extract", BadAnswer, proc, errors.New(text.Line(bad.Error())))
	case err != nil:
		return ktstr.Extraction{}, err
	}
	return answer.Extraction(), nil
}

// readLines reads a script's answer.
func readLines(r io.Reader, answer *wire.Answer) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = append(long, line...); len(long) > wire.MaxPart {
				return fmt.Errorf("a line has more than %d bytes: want one JSON object a line", wire.MaxPart)
			}
			continue
		}
		if len(long) > 0 {
			line = append(long, line...)
			long = nil
		}
		if aerr := answer.AddLine(line); aerr != nil {
			return aerr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// scriptEnv returns the environment variables that describe the run to a script,
// for example KTSTR_EXIT_CODE=1. The constants in wire list them.
func scriptEnv(out ktstr.Output) []string {
	h := wire.FromOutput(out)
	var env []string
	if h.Stream != "" {
		env = append(env, wire.StreamKey+"="+h.Stream)
	}
	if h.Truncated {
		env = append(env, wire.TruncatedKey+"=1")
	}
	if h.ExitCode != nil {
		env = append(env, wire.ExitCodeKey+"="+strconv.Itoa(int(*h.ExitCode)))
	}
	if out.Argv != nil {
		argv, _ := json.Marshal(out.Argv) // strings always marshal
		env = append(env, wire.ArgvKey+"="+string(argv))
	}
	if h.Options != nil {
		options, _ := json.Marshal(h.Options)
		env = append(env, wire.OptionsKey+"="+string(options))
	}
	return env
}

// memoryFile returns a file in memory with the text of r, to be read from its
// beginning.
func memoryFile(name string, r io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err = io.Copy(f, r); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// runOnce runs the executable to its end, with verb (unless it is empty) and
// more as its arguments. in is its standard input, nil for none. read gets its
// standard output, and an error of read ends the process. The returned error is
// an *Error.
func (p *Plugin) runOnce(ctx context.Context, verb string, more, env []string, in *os.File, limit time.Duration, read func(io.Reader) error) (*process, error) {
	if in == nil {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return nil, p.fail(verb, CannotStart, nil, err)
		}
		defer null.Close()
		in = null
	}
	base, err := makeBase()
	if err != nil {
		return nil, p.fail(verb, CannotStart, nil, err)
	}
	defer os.RemoveAll(base)
	proc := &process{command: p.command(), base: base, dir: base, env: env, read: read}
	if verb != "" {
		proc.command.argv = append(proc.command.argv, verb)
	}
	proc.command.argv = append(proc.command.argv, more...)
	if proc.command.sandbox {
		if proc.uid = privateUser(); proc.uid != 0 {
			if err := os.Chown(base, proc.uid, proc.uid); err != nil {
				return nil, p.fail(verb, CannotStart, nil, err)
			}
		}
	}
	late := false
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	errLate := fmt.Errorf("no end within %v", limit)
	timer := time.AfterFunc(limit, func() { cancel(errLate) })
	defer timer.Stop()
	if err := proc.start(in); err != nil {
		return proc, p.fail(verb, CannotStart, nil, err)
	}
	select {
	case <-proc.exited:
	case <-ctx.Done():
		late = true
		proc.kill()
		<-proc.exited
	}
	proc.cleanUp()
	p.config.Log.Debug("run", "plugin", p.name(), "verb", verb, "pid", proc.proc.Pid, "took", time.Since(proc.launched).Round(time.Microsecond), "ended", proc.state)
	switch {
	case proc.report.Error != "":
		return proc, p.fail(verb, CannotStart, nil, errors.New(text.Line(proc.report.Error)))
	case late:
		return proc, p.fail(verb, Hung, proc, context.Cause(ctx))
	case proc.readErr != nil:
		return proc, p.fail(verb, BadAnswer, proc, proc.readErr)
	case proc.waitErr != nil || !proc.state.Success():
		return proc, p.fail(verb, Exited, proc, nil)
	}
	return proc, nil
}

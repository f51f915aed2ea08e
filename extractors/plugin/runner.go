package plugin

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strconv"

	"github.com/hashicorp/go-plugin/runner"
)

// A process is go-plugin's runner.
var _ runner.Runner = (*process)(nil)

func (p *process) Start(context.Context) error { return p.start(nil) }

// Stdout gives go-plugin the handshake line and nothing else: its scanner ends
// at a line of 64 KiB.
func (p *process) Stdout() io.ReadCloser {
	return io.NopCloser(&lazyReader{open: func() io.Reader {
		line := <-p.handshake
		return bytes.NewReader(line)
	}})
}

// Stderr gives go-plugin no text, only the end. The host reads standard error
// itself.
func (p *process) Stderr() io.ReadCloser {
	return io.NopCloser(&lazyReader{open: func() io.Reader { <-p.exited; return bytes.NewReader(nil) }})
}

type lazyReader struct {
	open func() io.Reader
	r    io.Reader
}

func (l *lazyReader) Read(b []byte) (int, error) {
	if l.r == nil {
		l.r = l.open()
	}
	return l.r.Read(b)
}

func (p *process) Name() string { return p.command.name }

func (p *process) ID() string { return strconv.Itoa(p.proc.Pid) }

func (p *process) Diagnose(context.Context) string { return "" }

func (p *process) Wait(context.Context) error {
	<-p.exited
	if p.waitErr != nil {
		return p.waitErr
	}
	if !p.state.Success() {
		return &exec.ExitError{ProcessState: p.state}
	}
	return nil
}

func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

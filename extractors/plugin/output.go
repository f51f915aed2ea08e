package plugin

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/ktstr/ktstr/internal/sandbox"
	"golang.org/x/sys/unix"
)

// readReport reads the process's report about its restrictions. The descriptor
// ends when the process executes the plugin or closes it.
func (p *process) readReport(r *os.File) {
	defer close(p.reported)
	d := json.NewDecoder(io.LimitReader(untilDeadline{r}, 64<<10))
	for {
		var a sandbox.Answer
		if d.Decode(&a) != nil {
			return
		}
		if a.Report != nil {
			p.report.Report = a.Report
		}
		p.report.Error += a.Error
	}
}

// follow reads the process's output until the process ends, and then the rest
// that is in the pipes. It does not wait for the pipes to close, because a
// grandchild may hold them for ever.
func (p *process) follow(outR, errR, reportR *os.File) {
	pipes := []*os.File{outR, errR}
	var readers sync.WaitGroup
	if reportR != nil {
		pipes = append(pipes, reportR)
		readers.Go(func() { p.readReport(reportR) })
	}
	readers.Go(func() { p.readStdout(outR) })
	readers.Go(func() { p.said.follow(errR) })
	go func() {
		p.reap()
		now := time.Now()
		for _, f := range pipes {
			f.SetReadDeadline(now)
		}
		readers.Wait()
		for _, f := range pipes {
			f.Close()
		}
		if p.lifeline != nil {
			p.lifeline.Close()
		}
		close(p.exited)
	}()
}

// untilDeadline reads a pipe until its deadline, then the rest that is in it.
// It does not embed the file, because io.Copy would then use the file's WriteTo.
type untilDeadline struct{ file *os.File }

func (u untilDeadline) Read(b []byte) (n int, err error) {
	n, err = u.file.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	raw, err := u.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), b) }); cerr != nil {
		return 0, cerr
	}
	if err != nil || n <= 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Package remote connects with `ktstr _host-attach` on a host, through a program that runs a command there, such as ssh or
// srun. It puts our executable on the host if it is missing there.
package remote

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/text"
)

const (
	// endTime is how long the program may take to end after its standard input was closed.
	endTime = 5 * time.Second
	// maxGreeting limits what a login script may print before the command runs, in bytes.
	maxGreeting = 64 << 10
	// maxSaid is the size of the last part of the program's standard error that is kept, in bytes.
	maxSaid = 4096
	// maxSaidLines is the number of its lines in an error.
	maxSaidLines = 5
)

// A Program runs a command on a host.
type Program struct {
	Args  []string      // with the name of the program first, such as "ssh", and the command on the host (Words)
	Env   []string      // as of exec.Cmd; nil: our own
	Time  time.Duration // how long it may take until the command runs; 0: without limit
	Began func()        // is called when the command runs, or will not run; nil: nothing is called
}

// A NotRunError says that the program ended before the command on the host was ready.
type NotRunError struct {
	Printed string // the last lines on standard output
	Late    bool   // Program.Time was over
	Why     error  // how the program ended and what it said on standard error; nil: its exit status was 0
	Status  int    // exit status of the program, -1 if a signal ended it
}

func (e *NotRunError) Error() string {
	text := "the command of ktstr did not run"
	if e.Late {
		text += " in time"
	}
	if e.Printed != "" {
		text += ". It printed: " + e.Printed
	}
	if e.Why != nil {
		text += ": " + e.Why.Error()
	}
	return text
}

func (e *NotRunError) Unwrap() error { return e.Why }

// A Conn is the standard input and output of `ktstr _host-attach` on a host.
type Conn struct {
	name   string // of the program
	cmd    *exec.Cmd
	kill   func()
	stdin  io.WriteCloser
	stdout io.ReadCloser
	from   *bufio.Reader // of stdout
	said   tail          // what the program and the command wrote to standard error

	end sync.Once
	err error // of the end
}

// Connect starts the program and puts our executable on the host if it is missing there. The error is a *NotRunError if
// the program ended first. Any other error is about the host, and another attempt would not mend it.
func Connect(ctx context.Context, p Program, ktstr fleet.File, note func(state string)) (*Conn, error) {
	c, err := start(ctx, p)
	if err != nil {
		return nil, err
	}
	timer := time.AfterFunc(cmp.Or(p.Time, math.MaxInt64), c.kill)
	err = c.greet()
	late := !timer.Stop()
	if p.Began != nil {
		p.Began()
	}
	if err == nil {
		err = c.install(ktstr, note)
	}
	if err != nil {
		return nil, c.explain(err, late)
	}
	return c, nil
}

func start(ctx context.Context, p Program) (*Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &Conn{name: filepath.Base(p.Args[0]), kill: cancel}
	c.cmd = exec.CommandContext(ctx, p.Args[0], p.Args[1:]...)
	// A session of its own: Ctrl-C at our terminal is for us, and no program that ssh starts can ask there.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.cmd.Env = p.Env
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) } // its children end with it
	c.cmd.WaitDelay = time.Second                                                // then SIGKILL; another process may hold its stderr
	c.cmd.Stderr = &c.said
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err == nil {
		c.stdout, err = c.cmd.StdoutPipe()
	}
	if err == nil {
		c.from = bufio.NewReaderSize(c.stdout, maxGreeting)
		err = c.cmd.Start()
	}
	if err != nil {
		cancel()
	}
	return c, err
}

func (c *Conn) Read(b []byte) (int, error)  { return c.from.Read(b) }
func (c *Conn) Write(b []byte) (int, error) { return c.stdin.Write(b) }

// CloseWrite ends the standard input of the command.
func (c *Conn) CloseWrite() error { return c.stdin.Close() }

// Close ends the program. The error is why the program ended by itself, and what it said.
func (c *Conn) Close() error {
	c.end.Do(func() {
		c.CloseWrite() // the program then tells the command on the host, and ends after it
		late := time.AfterFunc(endTime, func() { c.kill(); c.stdout.Close() })
		// The pipe is read to its end, because the program ends after it has written everything.
		io.Copy(io.Discard, io.LimitReader(c.from, maxGreeting))
		c.stdout.Close()
		err := c.cmd.Wait()
		if late.Stop() && err != nil {
			c.err = c.because(err)
		}
		c.kill()
	})
	return c.err
}

// because returns why the program ended, given the error of its process.
func (c *Conn) because(err error) error {
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	said := c.said.lines()
	if exit.ExitCode() >= 0 && said != "" {
		return errors.New(said)
	}
	return errors.New(strings.TrimSuffix(c.name+" ended with "+exit.Error()+": "+said, ": "))
}

// explain ends the program after an error before the connection was ready, and completes the error.
func (c *Conn) explain(err error, late bool) error {
	notRun := new(NotRunError)
	if !errors.As(err, &notRun) {
		c.kill()
		c.Close()
		return err
	}
	notRun.Late, notRun.Why = late, c.Close()
	notRun.Status = c.cmd.ProcessState.ExitCode()
	return notRun
}

// greet reads up to the first line of the command, and checks the host.
func (c *Conn) greet() error {
	var greeting []byte
	for {
		line, err := c.from.ReadSlice('\n')
		if rest, ok := bytes.CutPrefix(line, []byte(magic+" host ")); ok && err == nil {
			return checkHost(string(bytes.TrimSpace(rest)))
		}
		greeting = append(greeting, line...)
		if err == nil && len(greeting) <= maxGreeting {
			continue
		}
		if err == nil || errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("its login shell printed more than %d KiB before it ran a command: want a login script that prints only to a terminal. It printed: %s",
				maxGreeting>>10, lastLines(greeting))
		}
		return &NotRunError{Printed: lastLines(greeting)}
	}
}

// install sends our executable if the host wants it.
func (c *Conn) install(ktstr fleet.File, note func(string)) error {
	line, err := c.line()
	if err == nil && line == "want" {
		note(fmt.Sprintf("receives ktstr (%d MB)", ktstr.Size/1e6))
		sent := make(chan error, 1)
		go func() { sent <- c.send(ktstr) }()
		line, err = c.line()
		if line != "exec" {
			c.kill() // also ends send
		}
		if e := <-sent; e != nil && err == nil && line == "exec" {
			err = e
		}
	}
	if reason, failed := strings.CutPrefix(line, "fail "); failed {
		return errors.New(reason)
	}
	if err == nil && line != "exec" {
		err = fmt.Errorf("it printed %q: want the answer of ktstr", line)
	}
	return err
}

// line returns the next line of the command.
func (c *Conn) line() (string, error) {
	line, err := c.from.ReadSlice('\n')
	if err != nil {
		return "", new(NotRunError)
	}
	rest, ok := bytes.CutPrefix(line, []byte(magic+" "))
	if !ok {
		return "", fmt.Errorf("it printed %q: want the answer of ktstr", brief(string(line)))
	}
	return brief(string(rest)), nil
}

func (c *Conn) send(ktstr fleet.File) error {
	f, err := os.Open(ktstr.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyN(c.stdin, f, ktstr.Size)
	return err
}

// checkHost returns an error if our executable cannot run on a host, given the output of `uname -srm` there.
func checkHost(uname string) error {
	words := strings.Fields(uname)
	if len(words) != 3 {
		return fmt.Errorf("uname -srm gives %q there: want Linux", uname)
	}
	if words[0] != "Linux" {
		return fmt.Errorf("it runs %s: want Linux", words[0])
	}
	var major, minor int
	if n, _ := fmt.Sscanf(words[1], "%d.%d", &major, &minor); n < 2 || major < 5 || major == 5 && minor < 4 {
		return fmt.Errorf("it runs Linux %s: want Linux 5.4 or later", words[1])
	}
	if want := machines[runtime.GOARCH]; want != "" && words[2] != want {
		return fmt.Errorf("its processor is %s, and this ktstr is for %s: want a ktstr for %[1]s, on a client of that kind", words[2], want)
	}
	return nil
}

// machines has the names that `uname -m` gives to Go's architectures.
var machines = map[string]string{
	"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x", "loong64": "loongarch64",
}

// tail keeps the last maxSaid bytes that were written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	t.b = append(t.b[:0], t.b[max(0, len(t.b)-maxSaid):]...)
	return len(b), nil
}

// lines returns the last lines as sentences on one line.
func (t *tail) lines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastLines(t.b)
}

// lastLines returns the last lines of a text as sentences on one line.
func lastLines(b []byte) string {
	var lines []string
	for line := range strings.Lines(string(b[max(0, len(b)-maxSaid):])) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, brief(strings.TrimSuffix(line, ".")))
		}
	}
	return strings.ReplaceAll(strings.Join(lines[max(0, len(lines)-maxSaidLines):], ". "), ":. ", ": ")
}

// brief returns a line that is safe to print, and cut if it is very long.
func brief(line string) string {
	line = strings.TrimSpace(line)
	return text.Line(line[:min(len(line), 500)])
}

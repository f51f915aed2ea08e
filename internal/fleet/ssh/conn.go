package ssh

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/text"
)

const (
	// loginTime is how long a host may take from the start of ssh to the first line of the program there. ssh gives up
	// after 30 seconds without a TCP connection.
	loginTime = 2 * time.Minute
	// endTime is how long ssh may take to end after its standard input was closed.
	endTime = 5 * time.Second
	// maxGreeting limits what a login script may print before the program runs, in bytes.
	maxGreeting = 64 << 10
	// maxSaid is the size of the last part of ssh's standard error that is kept, in bytes.
	maxSaid = 4096
	// maxSaidLines is the number of its lines in an error.
	maxSaidLines = 5
)

// options of ssh. The user's configuration gives everything else.
//
//   - It never asks, and needs no terminal.
//   - It may use a ControlMaster that is there, but does not become one that outlives us.
//   - It makes no forwardings, which another connection may hold.
//   - It sees within 30 seconds that the host is gone.
var options = []string{"-T", "-x", "-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none",
	"-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"}

// Attach logs in, puts our executable on the host if it is missing there, and connects with `ktstr _host-attach`.
func (h *host) Attach(ctx context.Context, note func(state string)) (fleet.Conn, error) {
	note("waits to log in")
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := sync.OnceFunc(func() { <-h.slots })
	defer release()
	note("logs in")
	c, err := h.start(ctx)
	if err != nil {
		return nil, err
	}
	tooLate := time.AfterFunc(h.loginTime, c.kill)
	err = c.greet()
	if !tooLate.Stop() && err != nil {
		err = fmt.Errorf("it did not log in within %v: %w", h.loginTime, err)
	}
	release()
	if err == nil {
		err = c.install(h.order.Ktstr, note)
	}
	if err != nil {
		return nil, c.explain(h.handle.Name, err)
	}
	note("connected")
	return c, nil
}

// conn is an ssh client whose standard input and output are those of a command on the host.
type conn struct {
	cmd    *exec.Cmd
	kill   func()
	stdin  io.WriteCloser
	stdout io.ReadCloser
	from   *bufio.Reader // of stdout
	said   tail          // what ssh and the programs on the host wrote to standard error

	end sync.Once
	err error // of the end
}

func (h *host) start(ctx context.Context) (*conn, error) {
	remote, err := command(h.order.Ktstr, strings.ToLower(rand.Text()), h.order.Name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &conn{kill: cancel}
	c.cmd = exec.CommandContext(ctx, h.ssh, append(options[:len(options):len(options)], "--", h.handle.Name, remote)...)
	// A session of its own: Ctrl-C at our terminal is for us, and no program that ssh starts can ask there.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.cmd.Env = append(os.Environ(), "SSH_ASKPASS_REQUIRE=never")
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) } // its proxy commands end with it
	c.cmd.WaitDelay = time.Second                                                // then SIGKILL; another process may hold its stderr
	c.cmd.Stderr = &c.said
	if c.stdin, err = c.cmd.StdinPipe(); err == nil {
		c.stdout, err = c.cmd.StdoutPipe()
	}
	if err == nil {
		c.from = bufio.NewReaderSize(c.stdout, maxGreeting)
		err = c.cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%w: install OpenSSH's client (openssh-client)", err)
	}
	if err != nil {
		cancel()
	}
	return c, err
}

func (c *conn) Read(b []byte) (int, error)  { return c.from.Read(b) }
func (c *conn) Write(b []byte) (int, error) { return c.stdin.Write(b) }

// Close ends ssh. The error is why ssh ended by itself, and what it said.
func (c *conn) Close() error {
	c.end.Do(func() {
		c.stdin.Close() // ssh then tells the program on the host, and ends after it
		late := time.AfterFunc(endTime, func() { c.kill(); c.stdout.Close() })
		// The pipe is read to its end, because ssh ends after it has written everything.
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

// because returns why ssh ended, given the error of its process.
func (c *conn) because(err error) error {
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) {
		return fmt.Errorf("ssh: %w", err)
	}
	said := c.said.lines()
	if exit.ExitCode() >= 0 && said != "" {
		return errors.New(said)
	}
	return errors.New(strings.TrimSuffix("ssh ended with "+exit.Error()+": "+said, ": "))
}

// sshFailed is the exit status of ssh if ssh itself failed.
const sshFailed = 255

// explain ends ssh after an error before the connection was ready, and returns the error with its reason and a remedy.
func (c *conn) explain(name string, err error) error {
	if !errors.As(err, new(noProgram)) {
		c.kill()
		c.Close()
		return err
	}
	why := c.Close()
	if c.cmd.ProcessState.ExitCode() == sshFailed {
		err = why
		if !strings.HasPrefix(why.Error(), "ssh") {
			err = fmt.Errorf("ssh: %w", why)
		}
	} else if why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return fmt.Errorf("%w. To try it as ktstr does, without questions: ssh -o BatchMode=yes %s true", err, shellescape.Quote(name))
}

// greet reads up to the first line of the program, and checks the host.
func (c *conn) greet() error {
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
		var e error = noProgram{}
		if err == nil || errors.Is(err, bufio.ErrBufferFull) {
			e = fmt.Errorf("its login shell printed more than %d KiB before it ran a command: want a login script that prints only to a terminal", maxGreeting>>10)
		}
		if shown := lastLines(greeting); shown != "" {
			e = fmt.Errorf("%w. It printed: %s", e, shown)
		}
		return e
	}
}

// noProgram says that ssh ended before the program on the host began.
type noProgram struct{}

func (noProgram) Error() string { return "its login shell did not run the command of ktstr" }

// install sends our executable if the host wants it.
func (c *conn) install(ktstr fleet.File, note func(string)) error {
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

// line returns the next line of the program.
func (c *conn) line() (string, error) {
	line, err := c.from.ReadSlice('\n')
	if err != nil {
		return "", noProgram{}
	}
	rest, ok := bytes.CutPrefix(line, []byte(magic+" "))
	if !ok {
		return "", fmt.Errorf("it printed %q: want the answer of ktstr", brief(string(line)))
	}
	return brief(string(rest)), nil
}

func (c *conn) send(ktstr fleet.File) error {
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
	return strings.Join(lines[max(0, len(lines)-maxSaidLines):], ". ")
}

// brief returns a line that is safe to print, and cut if it is very long.
func brief(line string) string {
	line = strings.TrimSpace(line)
	return text.Line(line[:min(len(line), 500)])
}

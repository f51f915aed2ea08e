package fleet

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/internal/bundle"
)

// quietTime is how long Attach waits for a message of the client before it takes the
// connection for cut. The client sends one each beatTime.
const (
	quietTime = 45 * time.Second
	beatTime  = 10 * time.Second
)

// Attach connects a client with the job of that name on this host, by messages on in and
// out. It starts the job if the client wants that. A job that it started ends with the
// connection, unless the client detached it. The result is the exit status of the process.
func Attach(name string, in io.Reader, out io.Writer) int {
	a := attachment{name: name, from: receiver{bufio.NewReaderSize(in, maxData)}, to: &sender{w: out}}
	err := a.converse()
	if err == nil || errors.Is(err, io.EOF) {
		return 0
	}
	if !errors.Is(err, errQuiet) { // a client that is there after all connects again
		a.to.send(message{Error: err.Error()})
	}
	fmt.Fprintf(os.Stderr, "ktstr: job %s: %v\n", name, err)
	return 3
}

type attachment struct {
	name string
	dir  string
	from receiver
	to   *sender
	tie  *os.File // the job ends when this end of the pipe is closed; nil: it is not tied
}

func (a *attachment) converse() error {
	var err error
	if a.dir, err = jobDir(a.name); err != nil {
		return err
	}
	first, err := a.from.receive()
	if err != nil {
		return err
	}
	b := first.Begin
	if b == nil {
		return errProtocol
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	collecting, err := a.waitForTurn()
	if err != nil {
		return err
	}
	defer collecting.Close()
	if err := a.receiveKit(b.Kit); err != nil {
		return err
	}
	if b.Start {
		err = a.start(b)
	} else {
		err = a.begun()
	}
	if err != nil {
		return err
	}
	if b.Detach {
		return a.to.send(message{Started: true})
	}
	gone := make(chan error, 1)
	go func() { gone <- a.listen() }()
	followed := make(chan error, 1)
	go func() { followed <- a.follow() }()
	select {
	case err = <-gone:
		return err // the process ends, and with it the job if it is tied
	case err = <-followed:
		if err != nil {
			return err
		}
	}
	if err = <-gone; err == errKept {
		return os.RemoveAll(a.dir)
	}
	return err
}

// turnTime is how long Attach waits for the one of another client. If the connection of that client is dead, it ends after
// quietTime.
const turnTime = quietTime + 15*time.Second

// waitForTurn returns the lock that one client has at a time.
func (a *attachment) waitForTurn() (*os.File, error) {
	path := filepath.Join(a.dir, collectLock)
	held, err := lock(path, false)
	if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
		return held, err
	}
	if err := a.to.send(message{Line: "waits for the end of an earlier connection"}); err != nil {
		return nil, err
	}
	type result struct {
		held *os.File
		err  error
	}
	done := make(chan result, 1)
	go func() {
		held, err := lock(path, true)
		done <- result{held, err}
	}()
	select {
	case r := <-done:
		return r.held, r.err
	case <-time.After(turnTime):
		return nil, errors.New("another client is attached: end it, or wait until it ends")
	}
}

// errQuiet says that the client or the connection is dead.
var errQuiet = fmt.Errorf("nothing was heard from the client for %v", quietTime)

// errKept says that the client has kept the runs.
var errKept = errors.New("the runs are kept")

// receiveKit asks for the files that the kit lacks, and keeps them.
func (a *attachment) receiveKit(files []File) error {
	kit, err := kitDir()
	if err != nil {
		return err
	}
	need, err := missing(kit, files)
	if err != nil {
		return err
	}
	if err := a.to.send(message{Need: need}); err != nil {
		return err
	}
	for range need {
		m, err := a.from.receive()
		if err != nil {
			return err
		}
		if m.File == nil {
			return errProtocol
		}
		data := a.from.data()
		if err := put(kit, *m.File, data); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, data); err != nil {
			return err
		}
	}
	return nil
}

// beginTime is how long Attach waits for a job that a scheduler starts. The scheduler says that the job runs before ktstr does.
const beginTime = 20 * time.Second

// begun waits until the job holds its lock or has ended.
func (a *attachment) begun() error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.Now().Add(beginTime); time.Now().Before(late); <-again.C {
		if _, ended, err := readExit(a.dir); err != nil || ended || holder(filepath.Join(a.dir, jobLock)) != 0 {
			return err
		}
	}
	return nil
}

// start starts the job, unless it was started before.
func (a *attachment) start(b *begin) error {
	if _, err := os.Stat(filepath.Join(a.dir, requestFile)); err == nil {
		return nil
	}
	if err := writeNew(a.dir, requestFile, bytes.NewReader(b.Request), 0o600); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	mode := Detached
	ready, isReady, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	inherited := []*os.File{isReady}
	if !b.Detach {
		var theirs *os.File
		if theirs, a.tie, err = os.Pipe(); err != nil {
			return errors.Join(err, isReady.Close())
		}
		mode, inherited = Tied, append(inherited, theirs)
	}
	c := exec.Command(self, JobVerb, a.name, filepath.Join(a.dir, requestFile), mode)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.ExtraFiles = inherited
	err = c.Start()
	for _, f := range inherited {
		f.Close()
	}
	if err != nil {
		return err
	}
	go c.Wait()
	// The job closes its end when it holds its lock, or by its death. Before that, it would
	// look like a job that died.
	_, err = io.Copy(io.Discard, ready)
	return err
}

// listen obeys the client until the connection ends.
func (a *attachment) listen() error {
	end := make(chan error, 2)
	alarm := time.AfterFunc(quietTime, func() { end <- errQuiet })
	defer alarm.Stop()
	go func() {
		for {
			m, err := a.from.receive()
			alarm.Reset(quietTime)
			switch {
			case err != nil:
				end <- err
				return
			case m.Stop:
				a.stop()
			case m.Done:
				end <- errKept
				return
			}
		}
	}()
	return <-end
}

// stop asks the job to end. Its second request makes the job kill its payload.
func (a *attachment) stop() {
	path := filepath.Join(a.dir, jobLock)
	pid := holder(path)
	if pid <= 0 {
		return
	}
	p, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(p)
	if holder(path) == pid { // the number was not given to another process before PidfdOpen
		unix.PidfdSendSignal(p, askSignal, nil, 0)
	}
}

// follow sends the log of the job until the job ends, then its runs, then its exit status.
func (a *attachment) follow() error {
	changes, err := watch(a.dir)
	if err != nil {
		return err
	}
	dead := make(chan struct{})
	go func() {
		if f, err := lock(filepath.Join(a.dir, jobLock), true); err == nil {
			f.Close()
		}
		close(dead)
	}()
	log := tail{path: filepath.Join(a.dir, logFile)}
	for first, isDead := true, false; ; first = false {
		end, ended, err := readExit(a.dir)
		if err != nil {
			return err
		}
		if ended && end.Foreign && !first {
			return nil // the scheduler ends this connection with the job, and tells the client why
		}
		if err := log.lines(func(line string) error { return a.to.send(message{Line: line}) }); err != nil {
			return err
		}
		if !ended && isDead {
			end, ended = exit{Lost: "ktstr did not begin there, or was killed"}, true
		}
		if ended {
			if err := a.to.data(message{Runs: true}, func(w io.Writer) error { return pack(w, filepath.Join(a.dir, runsDir)) }); err != nil {
				return err
			}
			return a.to.send(message{Exit: &end})
		}
		select {
		case <-changes:
		case <-dead:
			isDead, dead = true, nil
		}
	}
}

// watch returns a channel that gets a value after the log of a job grew or its exit file
// appeared.
func watch(dir string) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_MOVED_TO); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	changes := make(chan struct{}, 1)
	go func() {
		defer f.Close()
		for b := make([]byte, 4096); ; {
			if _, err := f.Read(b); err != nil {
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	return changes, nil
}

func readExit(dir string) (e exit, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, exitFile))
	if errors.Is(err, fs.ErrNotExist) {
		return e, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	return e, err == nil, err
}

// tail reads a growing file.
type tail struct {
	path string
	at   int64 // bytes that were read
}

// maxLine is the length at which a line of the log is cut, in bytes.
const maxLine = 4096

// lines calls f with each new whole line.
func (t *tail) lines(f func(string) error) error {
	file, err := os.Open(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(io.NewSectionReader(file, t.at, math.MaxInt64-t.at), maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if err == io.EOF { // the line has no end yet
			return nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		t.at += int64(len(line))
		if err := f(strings.TrimRight(string(line), "\r\n")); err != nil {
			return err
		}
	}
}

// pack writes a tar with the bundles in dir.
func pack(w io.Writer, dir string) error {
	t := tar.NewWriter(w)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !bundle.IsName(e.Name()) {
			continue
		}
		bundleDir := os.DirFS(dir)
		err := fs.WalkDir(bundleDir, e.Name(), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			f, err := bundleDir.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			if err := t.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
				return err
			}
			_, err = io.CopyN(t, f, info.Size())
			return err
		})
		if err != nil {
			return err
		}
	}
	return t.Close()
}

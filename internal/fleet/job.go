package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/bundle"
)

// The files of a job's directory.
const (
	requestFile  = "request.json"
	logFile      = "log"       // standard error of the runs
	exitFile     = "exit.json" // an exit; its appearance is the end of the job
	jobLock      = "job.lock"  // is locked while the job lives
	collectLock  = "collect.lock"
	runsDir      = "runs"
	payloadsDir  = "payloads"
	pluginsDir   = "plugins"
	lockFileName = "ktstr.lock"
)

const (
	// kitTime is how long a job waits for files of the kit that are not there yet.
	kitTime = time.Minute
	// attachTime is how long after its beginning a job waits for a client to attach. A client that lives attaches within
	// seconds.
	attachTime = 30 * time.Second
	// collectTime is how long a job waits at its end for an attached client.
	collectTime = 10 * time.Minute
)

var namePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`) })

// jobDir returns the directory of the job of that name on this host:
// $XDG_STATE_HOME/ktstr/jobs/NAME.
func jobDir(name string) (string, error) {
	if !namePattern().MatchString(name) {
		return "", fmt.Errorf("job %q: want letters, digits, and . _ - within", name)
	}
	state, err := bundle.StateDir()
	return filepath.Join(state, "jobs", name), err
}

// Setup is what a job needs on its host to make the runs of its request.
type Setup struct {
	Request
	Plugins     []string  // NAME=PATH, as of --plugin
	PayloadDirs []string  // as of --payload-dir
	Lock        string    // path of the ktstr.lock; empty: there is none
	Out         string    // the directory for the bundles
	Stderr      io.Writer // the log of the job
}

// Job makes the runs of the request in the file on this host. name names the job. mode is
// Tied, Detached or Collect. run makes the runs and returns the exit status of `ktstr run`.
// The result is the exit status of the process.
func Job(name, file, mode string, run func(Setup) int) int {
	status, err := job(name, file, mode, run)
	if err != nil {
		fmt.Fprintf(os.Stderr, "ktstr: job %s: %v\n", name, err)
		return 3
	}
	return status
}

func job(name, file, mode string, run func(Setup) int) (int, error) {
	ready := io.NopCloser(nil)
	switch mode {
	case Tied:
		endWith(os.NewFile(tieDescriptor, "tie"))
		fallthrough
	case Detached:
		unix.CloseOnExec(readyDescriptor)
		ready = os.NewFile(readyDescriptor, "ready")
	case Collect:
	default:
		return 0, fmt.Errorf("mode %q: want %s, %s or %s", mode, Tied, Detached, Collect)
	}
	dir, err := jobDir(name)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	held, err := lock(filepath.Join(dir, jobLock), false)
	if err != nil {
		return 0, fmt.Errorf("it runs already: %w", err)
	}
	defer held.Close()
	ready.Close()
	began := time.Now()
	if end, ended, err := readExit(dir); err != nil || ended && !end.Foreign {
		// The job was submitted twice, and the runs of the first one are not collected yet. They must not be made again.
		if mode == Collect && err == nil {
			waitForCollector(dir, began)
		}
		return end.Status, err
	}
	if err := discard(dir); err != nil {
		return 0, err
	}
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	end := exit{}
	s, err := setUp(dir, text)
	if err != nil {
		end.Lost = err.Error()
	} else {
		s.Stderr = log
		foreign := make(chan os.Signal, 1)
		signal.Notify(foreign, unix.SIGTERM)
		end.Status = run(s)
		// The status can be that of a failed run, because a scheduler also sends SIGTERM to the payload.
		end.Foreign = mode == Collect && len(foreign) > 0 && end.Status != core.ExitPass
		signal.Stop(foreign)
	}
	if err := writeExit(dir, end); err != nil {
		return 0, err
	}
	if mode == Collect && !end.Foreign {
		waitForCollector(dir, began)
	}
	return end.Status, nil
}

// askSignal asks a job to end. A scheduler uses SIGTERM, for example at the time limit of the job or to give the host to
// another one.
const askSignal = unix.SIGINT

// Descriptors of a job that Attach started.
const (
	readyDescriptor = 3 // is closed when the job holds its lock
	tieDescriptor   = 4 // its end ends a Tied job
)

// endWith ends this process, as a user would, at the end of f.
func endWith(f *os.File) {
	unix.CloseOnExec(tieDescriptor)
	go func() {
		io.Copy(io.Discard, f)
		unix.Kill(os.Getpid(), unix.SIGTERM)
	}()
}

// discard removes the runs of an earlier attempt, which a scheduler gave up when it started
// the job again. They are no part of the set, because it would have too many runs.
func discard(dir string) error {
	for _, name := range []string{exitFile, runsDir, payloadsDir, pluginsDir, lockFileName} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// setUp writes the files of the request into the directory of the job.
func setUp(dir string, request []byte) (Setup, error) {
	var s Setup
	if err := json.Unmarshal(requestLine(request), &s.Request); err != nil {
		return s, fmt.Errorf("its request cannot be read: %w", err)
	}
	s.Out = filepath.Join(dir, runsDir)
	for name, text := range s.Request.Payloads {
		if err := writeNew(filepath.Join(dir, payloadsDir), name, strings.NewReader(text), 0o600); err != nil {
			return s, err
		}
		s.PayloadDirs = []string{filepath.Join(dir, payloadsDir)}
	}
	if s.Request.Lock != "" {
		if err := writeNew(dir, lockFileName, strings.NewReader(s.Request.Lock), 0o600); err != nil {
			return s, err
		}
		s.Lock = filepath.Join(dir, lockFileName)
	}
	for _, p := range s.Request.Plugins {
		f, err := waitForKit(p.File)
		if err != nil {
			return s, fmt.Errorf("plugin %s: %w", p.Name, err)
		}
		err = writeNew(filepath.Join(dir, pluginsDir), p.Base, f, 0o700)
		f.Close()
		if err != nil {
			return s, err
		}
		s.Plugins = append(s.Plugins, p.Name+"="+filepath.Join(dir, pluginsDir, p.Base))
	}
	return s, nil
}

// requestLine returns the request in the text of a file. That is the last line which begins
// with the mark of a request, because the file may be the script of a scheduler.
func requestLine(text []byte) []byte {
	if at := bytes.LastIndex(text, []byte(RequestMark)); at >= 0 {
		text = text[at+len(RequestMark):]
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			text = text[:end]
		}
	}
	return text
}

// RequestMark is before the request in the script of a scheduler, at the beginning of a
// line. To a shell, the line is a comment.
const RequestMark = "#KTSTR-REQUEST "

// writeNew writes the file base, which must have no directory in its name, in dir.
func writeNew(dir, base string, from io.Reader, mode fs.FileMode) error {
	if filepath.Base(base) != base || strings.HasPrefix(base, ".") {
		return fmt.Errorf("file %q: want a name without a directory", base)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, base), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// waitForKit opens a file of the kit. The client may still be sending it.
func waitForKit(f File) (*os.File, error) {
	kit, err := kitDir()
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(kitTime)
	defer late.Stop()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		opened, err := openKit(kit, f)
		if !errors.Is(err, fs.ErrNotExist) {
			return opened, err
		}
		select {
		case <-again.C:
		case <-late.C:
			return nil, fmt.Errorf("its file did not come within %v: want a client that is attached, or a shared directory %s", kitTime, kit)
		}
	}
}

func writeExit(dir string, e exit) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, exitFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// waitForCollector waits until a client has kept the runs, which removes the exit file. If no client is attached, it waits
// until attachTime after the beginning of the job.
func waitForCollector(dir string, began time.Time) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	late := time.Now().Add(collectTime)
	for now := range again.C {
		_, ended, err := readExit(dir)
		attached := holder(filepath.Join(dir, collectLock)) != 0
		if err != nil || !ended || !attached && now.Sub(began) > attachTime || now.After(late) {
			return
		}
	}
}

// lock takes a record lock on a file, which the kernel releases when this process ends. With
// wait, it waits for the lock.
func lock(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	how := unix.F_SETLK
	if wait {
		how = unix.F_SETLKW
	}
	for {
		err = unix.FcntlFlock(f.Fd(), how, &unix.Flock_t{Type: unix.F_WRLCK})
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// holder returns the process that holds the lock on a file, or 0.
func holder(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_WRLCK}
	if unix.FcntlFlock(f.Fd(), unix.F_GETLK, &l) != nil || l.Type == unix.F_UNLCK {
		return 0
	}
	return int(l.Pid)
}

package hostlock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// paths returns the paths of the lock file. The one in /run is preferred, because no other
// user can remove it. If there is none, only root can make it, and then users share the
// one in /dev/shm. A command takes the lock of each that exists, so both are one lock.
func (h *Host) paths() []string {
	dirs := h.Dirs
	if dirs == nil {
		dirs = []string{"/run", "/dev/shm"}
	}
	paths := make([]string, len(dirs))
	for i, dir := range dirs {
		paths[i] = filepath.Join(dir, name())
	}
	return paths
}

var nodeName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`) })

// name returns the name of the lock file. Slurm can have several nodes on one host, for
// tests. Each of them has its own lock, and a node with the name of the host has the
// host's.
func name() string {
	node := os.Getenv("SLURMD_NODENAME")
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if node == host || !nodeName().MatchString(node) {
		return "ktstr.lock"
	}
	return "ktstr-" + node + ".lock"
}

// open opens each lock file that exists. If there is none, it makes the first that it can.
// Without an error, the locks of h.files are the host lock.
func (h *Host) open() error {
	var missing error
	for _, path := range h.paths() {
		f, err := openFile(path)
		if errors.Is(err, fs.ErrNotExist) && len(h.files) == 0 {
			if f, err = makeFile(path); err != nil {
				missing = errors.Join(missing, err)
				continue
			}
		}
		switch {
		case err == nil:
			h.files = append(h.files, f)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if len(h.files) == 0 {
		return fmt.Errorf("the host lock: no file can be made: %w; root can make it for all users: install -m 666 /dev/null %s",
			missing, h.paths()[0])
	}
	return nil
}

// openFile opens a lock file. In a directory that everyone can write, another user may have
// made it: the name must not lead to a file that is more than a lock file.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			err = fmt.Errorf("%s: a symbolic link", path)
		}
		return nil, unusable(path, err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Nlink > 1) {
		err = fmt.Errorf("%s: not a regular file with one name", path)
	}
	if err != nil {
		f.Close()
		return nil, unusable(path, err)
	}
	return f, nil
}

// unusable adds the remedy to the reason why an existing file cannot be the lock file.
func unusable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("the host lock: %w: want a file that every user can write; as root: rm -f %s", err, path)
}

// makeFile makes a lock file that every user can write. If another process has made it in
// between, makeFile opens that one.
func makeFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return openFile(path)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o666); err != nil { // whatever the umask is
		f.Close()
		return nil, err
	}
	return f, nil
}

// current reports whether h.files are all lock files that exist now.
func (h *Host) current() bool {
	n := 0
	for _, path := range h.paths() {
		now, err := os.Lstat(path)
		if err != nil {
			continue
		}
		if n == len(h.files) {
			return false
		}
		opened, err := h.files[n].Stat()
		if err != nil || !os.SameFile(now, opened) {
			return false
		}
		n++
	}
	return n == len(h.files)
}

// hostByte is the byte whose lock is the host lock. The lines are before it.
const hostByte = 1 << 62

// maxLines is the size of a file to which no more lines are added.
const maxLines = 1 << 20

// maxLine is the size up to which a line is read. A longer one is not ours.
const maxLine = 8 << 10

// register adds the line of a run to a file, and locks it until end is called. end returns
// nothing.
func register(f *os.File, me Run) (end func() []Run) {
	end = func() []Run { return nil }
	if size(f) > maxLines {
		if _, held := holder(f); held {
			return end // its holder still needs the lines
		}
		f.Truncate(0)
	}
	line := me.line()
	if _, err := f.Write(line); err != nil { // for example on a full disk: the run is not listed
		return end
	}
	after, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return end
	}
	from, n := after-int64(len(line)), int64(len(line))
	setLock(f, unix.F_SETLK, unix.F_RDLCK, from, n)
	return func() []Run {
		setLock(f, unix.F_SETLK, unix.F_UNLCK, from, n)
		return nil
	}
}

// watch returns a function that returns the runs of other processes that took place since.
func watch(f *os.File) (end func() []Run) {
	from := size(f)
	before := present(f)
	return func() []Run {
		var began []Run
		for line := range bytes.Lines(read(f, from, maxLines)) {
			if r, ok := parse(line); ok {
				began = append(began, r)
			}
		}
		return append(before, began...)
	}
}

// present returns the runs of other processes that go on.
func present(f *os.File) (list []Run) {
	for _, l := range locks(f, 0, hostByte, nil) {
		var r Run
		for line := range bytes.Lines(read(f, l.Start, min(l.Len, maxLine))) { // adjacent locks of a process are one: its last line counts
			if parsed, ok := parse(line); ok {
				r = parsed
			}
		}
		list = append(list, r.of(int(l.Pid)))
	}
	return list
}

// holder returns the command of another process that holds the lock.
func holder(f *os.File) (owner Run, held bool) {
	found := locks(f, hostByte, hostByte+1, nil)
	if len(found) == 0 {
		return Run{}, false
	}
	owner = Run{}.of(int(found[0].Pid))
	for _, r := range present(f) {
		if r.Exclusive && r.Pid == owner.Pid {
			owner = r
		}
	}
	return owner, true
}

// locks appends the locks that other processes have on bytes from from to to, at most as
// many as are listed.
func locks(f *os.File, from, to int64, found []unix.Flock_t) []unix.Flock_t {
	for from < to && len(found) < most {
		l := unix.Flock_t{Type: unix.F_WRLCK, Start: from, Len: to - from}
		if unix.FcntlFlock(f.Fd(), unix.F_GETLK, &l) != nil || l.Type == unix.F_UNLCK {
			return found
		}
		found = locks(f, from, l.Start, append(found, l)) // the kernel gives any of them, not the first
		if l.Len == 0 {                                   // to the end of all files
			return found
		}
		from = l.Start + l.Len
	}
	return found
}

// setLock sets or waits for a lock.
func setLock(f *os.File, command int, kind int16, from, n int64) error {
	for {
		err := unix.FcntlFlock(f.Fd(), command, &unix.Flock_t{Type: kind, Start: from, Len: n})
		if err == nil || errors.Is(err, unix.EAGAIN) {
			return err
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("the host lock: %s: %w", f.Name(), err)
		}
	}
}

func size(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// read returns at most limit bytes of a file.
func read(f *os.File, from, limit int64) []byte {
	data, _ := io.ReadAll(io.NewSectionReader(f, from, limit))
	return data
}

package descendants

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"golang.org/x/sys/unix"
)

// CookieVar is the environment variable that every process of a run has. Its
// value is the run's cookie, after the cookies of the runs around it, separated
// by colons: outer:inner.
const CookieVar = "KTSTR_RUN"

// environBuffer is how much of an environment is read at once.
const environBuffer = 16 << 10

// Cookie is the cookie of the run.
func (s *Search) Cookie() string { return s.cookie }

// Environ is env with the cookie of the run. The cookie comes first, so that a
// search finds it in the first bytes that it reads.
func (s *Search) Environ(env []string) []string {
	all := make([]string, 1, len(env)+1)
	value := s.cookie
	outer := os.Getenv(CookieVar)
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, CookieVar+"="); ok {
			outer = v
			continue
		}
		all = append(all, kv)
	}
	if outer != "" {
		value = outer + ":" + value
	}
	all[0] = CookieVar + "=" + value
	return all
}

// hasCookie reports whether the cookie is in the environment that the process was
// started with.
func (s *Search) hasCookie(pid int) bool {
	const limit = time.Second // on a crowded machine an exec waits for its turn
	if s.buf == nil {
		s.buf = make([]byte, environBuffer)
	}
	for wait, empty := 50*time.Microsecond, 0; ; {
		found, none := s.findCookie("/proc/" + strconv.Itoa(pid))
		if !none || wait > limit {
			return found
		}
		if executing(pid) {
			linux.Pause(wait)
			wait *= 2
			continue
		}
		// The exec can have ended between the two looks.
		if empty++; empty == 3 {
			st, err := linux.ReadStat(pid)
			return err == nil && st.WithoutFirst() && s.threadHasCookie(pid)
		}
	}
}

// threadHasCookie is hasCookie for a process whose first thread has ended.
func (s *Search) threadHasCookie(pid int) bool {
	threads, _ := linux.Threads(pid)
	return slices.ContainsFunc(threads, func(tid int) bool {
		found, _ := s.findCookie(fmt.Sprintf("/proc/%d/task/%d", pid, tid))
		return found
	})
}

// findCookie looks for the cookie in the environ file of a directory of /proc.
// none means that the file is empty.
func (s *Search) findCookie(proc string) (found, none bool) {
	fd, err := unix.Open(proc+"/environ", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, false
	}
	defer unix.Close(fd)
	kept, total := 0, 0
	for {
		n, err := unix.Read(fd, s.buf[kept:])
		if n <= 0 || err != nil {
			return false, total == 0
		}
		total += n
		text := s.buf[:kept+n]
		if bytes.Contains(text, []byte(s.cookie)) {
			return true, false
		}
		if len(text) < len(s.buf) {
			return false, false // that was the last of it
		}
		kept = copy(s.buf, text[max(0, len(text)-len(s.cookie)):])
	}
}

// executing reports whether the process is in the middle of an exec: it has its
// new memory, and that has no environment yet.
func executing(pid int) bool {
	st, err := linux.ReadStat(pid)
	return err == nil && !st.Ended() && !st.WithoutFirst() && !st.EnvironEnd && st.Flags&linux.KernelThread == 0
}

// Pipe is one stream of a run.
type Pipe struct {
	Name  string // as PipeName gives it
	Since uint64 // start of the run's leader, in ticks since boot; 0: the Search knows it
}

// PipeName is the name of a pipe in /proc, for example "pipe:[1234]". It is empty
// for a bad descriptor.
func PipeName(fd int) string {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return ""
	}
	return "pipe:[" + strconv.FormatUint(st.Ino, 10) + "]"
}

// pipesOf lists the pipes of which the process has a writing end. A child of this
// process that has not executed its program yet also has a reading end. It is not a
// process of the run, so its list is empty.
func (s *Search) pipesOf(pid int) (held []Pipe) {
	if len(s.Pipes) == 0 {
		return nil
	}
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var link [64]byte
	for _, name := range names {
		n, err := unix.Readlinkat(int(dir.Fd()), name, link[:])
		if err != nil {
			continue
		}
		i := slices.IndexFunc(s.Pipes, func(p Pipe) bool { return p.Name == string(link[:n]) })
		if i < 0 {
			continue
		}
		// The permissions of the link are the mode that the file is open in.
		var st unix.Stat_t
		if unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if st.Mode&0o400 != 0 {
			return nil
		}
		if st.Mode&0o200 != 0 {
			held = append(held, s.Pipes[i])
		}
	}
	return held
}

package spawn

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CookieVar is the environment variable that every process of a run carries,
// so that it can be found again. Its value is a list separated by colons: a
// run inside of a run carries both cookies.
const CookieVar = "KTSTR_RUN"

var (
	cookieBase = sync.OnceValue(func() string {
		var b [12]byte
		rand.Read(b[:]) // never fails
		return hex.EncodeToString(b[:])
	})
	cookieCount atomic.Uint64
)

func newCookie() string {
	return cookieBase() + "." + strconv.FormatUint(cookieCount.Add(1), 36)
}

// environ is the environment of the child. The cookie comes first, so that a
// search finds it in the first bytes it reads.
func (r *run) environ() []string {
	env := r.c.Env
	if env == nil {
		env = Environ()
	}
	r.cookie = newCookie()
	all := make([]string, 1, len(env)+1)
	value := r.cookie
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

// fork makes the pipes and the child. It must run on a locked thread that
// serves the run to its end. On an error nothing is left.
func (r *run) fork() (err error) {
	var toClose []int
	defer func() {
		for _, fd := range toClose {
			unix.Close(fd)
		}
		if err != nil {
			r.release()
		}
	}()
	if r.null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("spawn: %s: open /dev/null: %w", r.c.Path, err)
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("spawn: %s: eventfd: %w", r.c.Path, err)
	}
	files := [3]uintptr{uintptr(r.null)}
	switch {
	case r.c.Stdin != nil:
		files[0] = r.c.Stdin.Fd()
	case r.c.ShareGroup:
		files[0] = 0
	}
	for i, s := range []*stream{&r.out, &r.err_} {
		w, err := s.open()
		if err != nil {
			return fmt.Errorf("spawn: %s: pipe: %w", r.c.Path, err)
		}
		toClose = append(toClose, w)
		files[i+1] = uintptr(w)
	}
	attr := &syscall.ProcAttr{
		Dir:   r.c.Dir,
		Env:   r.environ(),
		Files: files[:],
		Sys: &syscall.SysProcAttr{
			Setpgid:   !r.c.ShareGroup,
			Pdeathsig: syscall.SIGKILL,
			PidFD:     &r.pidfd,
		},
	}
	argv := append([]string{r.c.Path}, r.c.Args...)
	holdChildren()
	r.start = time.Now()
	pid, err := forkExec(r.path, argv, attr)
	if err != nil {
		dropChildren()
		return startError(r.c, r.path, err)
	}
	r.pid = pid
	if r.pidfd < 0 {
		// Reaped here, while its number is certainly its own.
		unix.Kill(pid, unix.SIGKILL)
		var ws unix.WaitStatus
		for {
			if _, err := unix.Wait4(pid, &ws, 0, nil); err != unix.EINTR {
				break
			}
		}
		dropChildren()
		return fmt.Errorf("spawn: %s: the kernel gave no pidfd: want Linux 5.4 or later, and a seccomp filter that allows it", r.c.Path)
	}
	r.before = selfUsage()
	return nil
}

// forkExec is syscall.ForkExec with patience for ETXTBSY: a binary that was
// just written may still be open for writing in a child that another goroutine
// forked and that has not executed its own program yet.
func forkExec(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	for try := 0; ; try++ {
		pid, err := syscall.ForkExec(path, argv, attr)
		if err != syscall.ETXTBSY || try == 6 {
			return pid, err
		}
		pause(time.Millisecond << try)
	}
}

// pause waits in the kernel; signals may cut it short.
func pause(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	unix.Ppoll(nil, &ts, nil)
}

// release closes whatever is open.
func (r *run) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.close()
	r.err_.close()
	for _, fd := range []*int{&r.null, &r.pidfd, &r.wake} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

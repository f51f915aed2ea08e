package spawn

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// fork makes the pipes and the child. It must run on a locked thread that lasts
// as long as the run: the parent-death signal comes when that thread ends. On an
// error nothing is left.
func (r *run) fork() (err error) {
	var toClose []int
	defer func() {
		for _, fd := range toClose {
			unix.Close(fd)
		}
		if err != nil {
			r.dropLeaf()
			r.release()
		}
	}()
	if r.null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("%s: open /dev/null: %w", r.c.Path, err)
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("%s: eventfd: %w", r.c.Path, err)
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
			return fmt.Errorf("%s: pipe: %w", r.c.Path, err)
		}
		toClose = append(toClose, w)
		files[i+1] = uintptr(w)
	}
	if err := r.makeLeaf(); err != nil {
		return err
	}
	r.search.Before()
	if r.watcher = current.Load(); r.watcher != nil {
		r.watcher.settle()
		r.watched, _ = r.watcher.Usage()
	}
	r.start = time.Now()
	if err := r.exec(files[:]); err != nil {
		return err
	}
	r.before = selfUsage()
	return nil
}

// makeLeaf makes the cgroup of the run. Where none was asked for and none can
// be made, there is none.
func (r *run) makeLeaf() error {
	from := r.c.Cgroups
	if r.private() {
		if r.c.NoCgroup || r.c.ShareGroup || noPrivate.Load() || noCloneInto.Load() {
			return nil
		}
		if from == nil {
			if cgroup.Mounted().Version != 2 {
				return nil
			}
			from = cgroup.Mounted()
		}
		if leaf, err := from.Create("", r.leafName()); err == nil {
			r.leaf = leaf
		}
		return nil
	}
	if from == nil {
		from = cgroup.Mounted()
	}
	leaf, err := from.Create(r.c.Cgroup, r.leafName())
	if err != nil {
		if p, ok := errors.AsType[*cgroup.PlacementError](err); ok {
			p.Binary = r.c.Path
			return p
		}
		return &cgroup.PlacementError{Binary: r.c.Path, Cgroup: r.c.Cgroup, Procs: r.c.Cgroup + "/cgroup.procs", Err: err}
	}
	r.leaf = leaf
	if r.c.CPUs != "" {
		if err := leaf.SetCPUs(r.c.CPUs); err != nil {
			return &cgroup.PlacementError{Binary: r.c.Path, Cgroup: r.c.Cgroup, Procs: leaf.Path() + "/cgroup.procs", Err: err}
		}
	}
	return nil
}

// private tells whether the cgroup of the run was our idea.
func (r *run) private() bool { return r.c.Cgroup == "" }

// leafName is what the fresh cgroup of the run is called.
func (r *run) leafName() string { return fmt.Sprintf("ktstr-%d-%s", os.Getpid(), r.search.Cookie()) }

// dropLeaf removes the cgroup again, before anything ran in it.
func (r *run) dropLeaf() {
	if r.leaf != nil {
		r.leaf.Remove()
		r.leaf = nil
	}
}

// exec makes the child, in its cgroup if it has one.
func (r *run) exec(files []uintptr) error {
	attr := &syscall.ProcAttr{
		Dir:   r.c.Dir,
		Env:   r.search.Environ(r.env()),
		Files: files,
		Sys: &syscall.SysProcAttr{
			Setpgid:   !r.c.ShareGroup,
			Pdeathsig: syscall.SIGKILL,
			PidFD:     &r.pidfd,
		},
	}
	argv := append([]string{r.c.Path}, r.c.Args...)
	if r.leaf != nil {
		if fd := r.leaf.FD(); fd >= 0 && !r.stopped && !noCloneInto.Load() {
			attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
		} else if r.private() {
			r.dropLeaf()
		} else {
			attr.Sys.Ptrace = true
		}
	}
	if r.leaf != nil && !r.private() {
		// A cgroup that is frozen under our hands would hold the child, and with
		// it this thread, for ever.
		defer time.AfterFunc(placeMax, func() { r.leaf.Kill() }).Stop()
	}
	leaf := ""
	if r.leaf != nil {
		leaf = r.leaf.Path()
	}
	if r.watcher != nil {
		r.slot = r.watcher.enter(leaf, r.pipes())
	}
	r.search.Begin()
	holdChildren()
	pid, err := self.Fork(func() (pid int, err error) {
		err = linux.RetryBusy(func() error { pid, err = syscall.ForkExec(r.path, argv, attr); return err })
		return pid, err
	})
	if err != nil {
		r.unwatch()
		dropChildren()
		r.search.End()
		if !attr.Sys.UseCgroupFD || !refusedPlace(err, r.path, r.c.Dir) {
			return startError(r.c, r.path, err)
		}
		// Another way is tried, and what was refused is remembered only if that
		// one succeeds: the errno may have been about something else.
		remember := &noPrivate
		switch {
		case err == syscall.ENOSYS || err == syscall.E2BIG || err == syscall.EINVAL:
			remember, r.stopped = &noCloneInto, true
		case !r.private():
			return r.misplaced(err)
		}
		if r.private() {
			r.dropLeaf()
		}
		again := r.exec(files)
		if again == nil && err != syscall.EAGAIN && err != syscall.EBUSY {
			remember.Store(true)
		}
		return again
	}
	r.search.Lead(pid)
	r.pid = pid
	switch {
	case r.pidfd < 0:
		err = fmt.Errorf("%s: the kernel gave no pidfd: want Linux 5.4 or later, and a seccomp filter that allows it", r.c.Path)
	case attr.Sys.Ptrace:
		err = r.placeStopped()
	case r.leaf != nil && r.stillborn():
		err = r.misplaced(errors.New("the kernel killed the child at its birth, as it does in a cgroup below which cgroup.kill was written once: remove that cgroup and make it again"))
	}
	if err != nil {
		// Killed by number, while that is certainly its own.
		unix.Kill(pid, unix.SIGKILL)
		wait4(pid, 0)
		r.unwatch()
		self.Reaped(pid)
		dropChildren()
		r.search.End()
		return err
	}
	return nil
}

// env is the environment of the child.
func (r *run) env() []string {
	if r.c.Env == nil {
		return Environ()
	}
	return r.c.Env
}

// pipes are the names of the streams that have not ended.
func (r *run) pipes() []string {
	var names []string
	for _, s := range []*stream{&r.out, &r.err_} {
		if s.fd >= 0 {
			names = append(names, descendants.PipeName(s.fd))
		}
	}
	return names
}

// unwatch takes the run off the watcher's ledger.
func (r *run) unwatch() {
	r.watcher.leave(r.slot)
	r.slot = -1
}

// placeMax is how long a placement may take.
const placeMax = 8 * time.Second

// refusedPlace tells whether the errno of a failed fork and exec was about the
// cgroup. Only EACCES could be about the program as well.
func refusedPlace(err error, path, dir string) bool {
	switch err {
	case syscall.EBUSY, syscall.ENODEV, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.E2BIG, syscall.EINVAL, syscall.EAGAIN:
		return true
	case syscall.EACCES, syscall.EPERM:
		return unix.Access(path, unix.X_OK) == nil && (dir == "" || unix.Access(dir, unix.X_OK) == nil)
	}
	return false
}

// stillborn tells whether the child died before it executed its program. To
// the fork that looks like a success: the pipe that an error would have come
// through is closed.
func (r *run) stillborn() bool {
	// What the kernel kills at its birth executes nothing, also not the setpgid
	// that comes before the program.
	if pgid, err := unix.Getpgid(r.pid); err == nil && pgid == r.pid {
		return false
	}
	var link [256]byte
	if n, err := unix.Readlink("/proc/"+strconv.Itoa(r.pid)+"/exe", link[:]); err == nil && string(link[:n]) != ownExe() {
		return false
	}
	// Gone already, or a program that starts itself: the flags of the task tell.
	s, err := linux.ReadStat(r.pid)
	return err == nil && s.Flags&linux.ForkedNoExec != 0
}

// placeStopped is the placement for kernels that cannot clone into a cgroup.
// The child is traced, so it stops when its program is loaded and before the
// program's first instruction; it is moved then, and let go.
func (r *run) placeStopped() error {
	ws, err := wait4(r.pid, unix.WUNTRACED)
	if err != nil || !ws.Stopped() {
		return r.misplaced(fmt.Errorf("the child did not stop to be placed (%v, wait status %#x)", err, uint32(ws)))
	}
	if err := r.leaf.Place(r.pid); err != nil {
		return r.misplaced(err)
	}
	if err := unix.PtraceDetach(r.pid); err != nil {
		return r.misplaced(fmt.Errorf("let it go after the placement: %w", err))
	}
	return nil
}

func (r *run) misplaced(err error) error {
	return &cgroup.PlacementError{Binary: r.c.Path, Cgroup: r.c.Cgroup, Procs: r.leaf.Path() + "/cgroup.procs", Err: err}
}

func wait4(pid, options int) (ws unix.WaitStatus, err error) {
	for {
		_, err = unix.Wait4(pid, &ws, options, nil)
		if err != unix.EINTR {
			return ws, err
		}
	}
}

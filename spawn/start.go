package spawn

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/ktstr/ktstr/internal/linux"
	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// fork makes the pipes, the cgroup and the child. It must run on a locked thread
// that lives as long as the run, because the kernel sends the parent-death signal
// when that thread ends. After an error nothing is left.
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
	for i, s := range r.streams() {
		w, err := s.open()
		if err != nil {
			return fmt.Errorf("%s: pipe: %w", r.c.Path, err)
		}
		toClose = append(toClose, w)
		files[i+1] = uintptr(w)
		if user := r.c.Credential; user != nil {
			// To open /dev/stdout, for example, is to open the pipe again.
			if err := unix.Fchown(w, int(user.Uid), int(user.Gid)); err != nil {
				return fmt.Errorf("%s: give the pipe of %s to uid %d: %w", r.c.Path, s.name, user.Uid, err)
			}
		}
	}
	if err := r.makeLeaf(); err != nil {
		return err
	}
	r.search.Prepare()
	if r.watcher = watcher.Load(); r.watcher != nil {
		r.watcher.awaitSleep()
		r.watcherUsed, _ = r.watcher.Usage()
	}
	if r.c.BeforeStart != nil {
		r.c.BeforeStart()
	}
	if err := r.exec(files[:]); err != nil {
		return err
	}
	r.selfUsed = selfUsage()
	return nil
}

// makeLeaf makes the cgroup of the run. If no cgroup was asked for and none can
// be made, the run has none.
func (r *run) makeLeaf() error {
	from := r.c.Cgroups
	if r.private() {
		if r.c.NoCgroup || r.c.ShareGroup || noPrivate.Load() || noCloneInto.Load() {
			return nil
		}
		if from == nil {
			if mounted().Version != 2 {
				return nil
			}
			from = mounted()
		}
		if leaf, err := from.Create("", r.leafName()); err == nil {
			r.leaf = leaf
		}
		return nil
	}
	if from == nil {
		from = mounted()
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
			return r.misplaced(err)
		}
	}
	return nil
}

// private reports whether the caller has named no cgroup.
func (r *run) private() bool { return r.c.Cgroup == "" }

// leafName is the name of the fresh cgroup of the run.
func (r *run) leafName() string { return fmt.Sprintf("ktstr-%d-%s", os.Getpid(), r.search.Cookie()) }

// dropLeaf removes the cgroup before anything has run in it.
func (r *run) dropLeaf() {
	if r.leaf != nil {
		r.leaf.Remove()
		r.leaf = nil
	}
}

// exec makes the child, in its cgroup if it has one. The fields of the run that
// refer to the child are set only if there is no error.
func (r *run) exec(files []uintptr) error {
	attr := &syscall.ProcAttr{
		Dir:   r.c.Dir,
		Env:   r.search.Environ(r.env()),
		Files: files,
		Sys: &syscall.SysProcAttr{
			Setpgid:   !r.c.ShareGroup,
			Pdeathsig: syscall.SIGKILL,
			PidFD:     &r.pidfd,

			Credential: r.c.Credential,
		},
	}
	if r.leaf != nil {
		if fd := r.leaf.FD(); fd >= 0 && !r.traced && !noCloneInto.Load() {
			attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
		} else if r.private() {
			r.dropLeaf()
		} else {
			attr.Sys.Ptrace = true
		}
	}
	leaf := ""
	if r.leaf != nil {
		leaf = r.leaf.Path()
		if !r.private() {
			// If another process freezes the cgroup now, the child would never
			// start, and this thread would wait for it for ever.
			defer time.AfterFunc(placementLimit, func() { r.leaf.Kill(nil) }).Stop()
		}
	}
	r.search.Begin()
	if r.watcher != nil {
		r.slot = r.watcher.enter(entry{leaf, r.search.Began(), r.pipes()})
	}
	holdSIGCHLD()
	argv := append([]string{r.c.Path}, r.c.Args...)
	pid, err := self.Fork(func() (pid int, err error) {
		if r.leaf != nil {
			defer r.leaf.Enter()()
		}
		err = linux.RetryBusy(func() error {
			r.start = time.Now()
			pid, err = syscall.ForkExec(r.path, argv, attr)
			return err
		})
		return pid, err
	})
	if err != nil {
		r.takeBack()
		if attr.Sys.UseCgroupFD && refusedPlace(err, r.path, r.c.Dir) {
			return r.execElsewhere(files, err)
		}
		return startError(r.c, r.path, err)
	}
	r.search.Lead(pid)
	r.pid = pid
	died := false
	switch {
	case r.pidfd < 0:
		err = fmt.Errorf("%s: the kernel gave no pidfd: want Linux 5.4 or later, and a seccomp filter that allows it", r.c.Path)
	case attr.Sys.Ptrace:
		died, err = r.placeTraced()
	case r.diedAtBirth():
		died = true
		if r.leaf != nil && signalOf(pid) == unix.SIGKILL {
			err = r.misplaced(errors.New("the kernel killed the child at its birth, as it does in a cgroup below which cgroup.kill was written once: remove that cgroup and make it again"))
		}
	}
	// A signal to our process group, such as Ctrl-C, has killed the child before it had
	// a group of its own. That signal was for this process, which decides whether the
	// run ends. So the child is made again.
	if err == nil && died && !r.c.ShareGroup && r.births < maxBirths {
		r.births++
		wait4(pid, 0)
		self.Reaped(pid)
		r.takeBack()
		unix.Close(r.pidfd)
		r.pidfd, r.pid = -1, 0
		return r.exec(files)
	}
	if err != nil {
		unix.Kill(pid, unix.SIGKILL) // by number: it is our child and not reaped
		wait4(pid, 0)
		self.Reaped(pid)
		r.takeBack()
		return err
	}
	return nil
}

// takeBack undoes the preparations of a fork that gave no child.
func (r *run) takeBack() {
	r.leaveLedger()
	restoreSIGCHLD()
	r.search.End()
}

// execElsewhere is exec after the kernel refused to place the child at its birth.
func (r *run) execElsewhere(files []uintptr, refused error) error {
	missing := &noPrivate
	switch {
	case refused == syscall.ENOSYS || refused == syscall.E2BIG || refused == syscall.EINVAL:
		missing, r.traced = &noCloneInto, true
	case !r.private():
		return r.misplaced(refused)
	}
	if r.private() {
		r.dropLeaf()
	}
	err := r.exec(files)
	// The refusal can have had another reason, for example a bad argument. It was
	// about the cgroup if the same program starts without it.
	if err == nil && refused != syscall.EAGAIN && refused != syscall.EBUSY {
		missing.Store(true)
	}
	return err
}

// env is the environment of the child, without the cookie.
func (r *run) env() []string {
	if r.c.Env == nil {
		return Environ()
	}
	return r.c.Env
}

// pipes are the streams that have not ended.
func (r *run) pipes() (list []descendants.Pipe) {
	for _, s := range r.streams() {
		if s.fd >= 0 {
			list = append(list, descendants.Pipe{Name: descendants.PipeName(s.fd)})
		}
	}
	return list
}

// leaveLedger removes the run from the watcher's ledger.
func (r *run) leaveLedger() {
	r.watcher.leave(r.slot)
	r.slot = -1
}

// placementLimit is how long a placement may take. C21 allows 10 s with all that
// comes after it.
const placementLimit = 8 * time.Second

// refusedPlace reports whether the errno of a failed fork and exec was about the
// cgroup. Only EACCES and EPERM can be about the program as well.
func refusedPlace(err error, path, dir string) bool {
	switch err {
	case syscall.EBUSY, syscall.ENODEV, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.E2BIG, syscall.EINVAL, syscall.EAGAIN:
		return true
	case syscall.EACCES, syscall.EPERM:
		return unix.Access(path, unix.X_OK) == nil && (dir == "" || unix.Access(dir, unix.X_OK) == nil)
	}
	return false
}

// maxBirths is how often a child is made again.
const maxBirths = 20

// signalOf is the signal that killed a child which is not reaped yet.
func signalOf(pid int) unix.Signal {
	var info siginfo
	if err := waitid(pid, &info, unix.WEXITED|unix.WNOWAIT); err != nil || info.code == cldExited {
		return 0
	}
	return unix.Signal(info.status)
}

// waitid waits for a change of a child.
func waitid(pid int, info *siginfo, options int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, (*unix.Siginfo)(unsafe.Pointer(info)), options, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

// diedAtBirth reports whether the child died before it executed its program.
// ForkExec takes that for a success, because the pipe for the errno of exec is
// closed without an errno in it.
func (r *run) diedAtBirth() bool {
	// The process group says nothing: a signal can kill the child when it has its own
	// group and has not executed the program yet.
	var link [256]byte
	if n, err := unix.Readlink("/proc/"+strconv.Itoa(r.pid)+"/exe", link[:]); err == nil && string(link[:n]) != ownExecutable() {
		return false
	}
	// It has ended already, it executes this very program, or we may not read the link
	// of a setuid program. The flags of the process tell these apart.
	s, err := linux.ReadStat(r.pid)
	return err == nil && s.Flags&linux.ForkedNoExec != 0
}

// placeTraced places the child on kernels that cannot clone into a cgroup. The
// child is traced, so it stops when its program is loaded, before the program's
// first instruction. There it is moved into the leaf, and continued. died reports
// that a signal has killed the child before.
func (r *run) placeTraced() (died bool, err error) {
	// The child stays a zombie if it has ended, so that its pid stays its own.
	var info siginfo
	if err := waitid(r.pid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT); err != nil {
		return false, r.misplaced(fmt.Errorf("wait until the child stops to be placed: %w", err))
	}
	switch info.code {
	case cldTrapped, cldStopped:
	case cldExited:
		return false, r.misplaced(fmt.Errorf("the child did not stop to be placed: it ended with exit status %d", info.status))
	default:
		return true, nil
	}
	if err := r.leaf.Place(r.pid); err != nil {
		return false, r.misplaced(err)
	}
	if err := unix.PtraceDetach(r.pid); err != nil {
		return false, r.misplaced(fmt.Errorf("continue it after the placement: %w", err))
	}
	return false, nil
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

package spawn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/ktstr/ktstr/spawn/cgroup"
	"github.com/ktstr/ktstr/spawn/internal/descendants"
	"golang.org/x/sys/unix"
)

// Feature is a facility for runs that a kernel may lack, or that this process may
// have no right to use.
type Feature struct {
	Name        string `json:"name"`
	Present     bool   `json:"present"`
	Required    bool   `json:"required,omitempty"`    // no run can start without it
	Detail      string `json:"detail"`                // what was found, or the error of the probe
	Consequence string `json:"consequence,omitempty"` // the consequence of its absence; empty if it is present
}

// Features probes the facilities that runs rely on. For that it starts a
// short-lived child, and makes and removes one cgroup.
func Features() []Feature {
	var list []Feature
	add := func(name string, required bool, err error, detail, consequence string) {
		f := Feature{Name: name, Present: err == nil, Required: required, Detail: detail}
		if err != nil {
			f.Detail, f.Consequence = err.Error(), consequence
		}
		list = append(list, f)
	}

	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	add("pidfd", true, err, "pidfd_open works",
		"no run can be started: Linux 5.4 or later is needed, and a seccomp filter that allows pidfd_open")
	if err == nil {
		err := unix.PidfdSendSignal(pidfd, 0, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
		if err == unix.EPERM || err == unix.ESRCH {
			err = nil // the kernel knows the flag, and we lead no group
		}
		add("signal a group by pidfd", false, err, "pidfd_send_signal takes PIDFD_SIGNAL_PROCESS_GROUP",
			"groups are signalled by number, while their leader is held as a zombie so that the number is theirs (Linux 6.9 does without)")
		add("exit status kept by pidfd", false, exitInfo(), "PIDFD_GET_INFO remembers the status of a reaped child",
			"if another part of the program waits for all children, an exit status can be lost, and the run is then an error (Linux 6.15 keeps it)")
		err = unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED|unix.WNOHANG, nil)
		if err == unix.ECHILD {
			err = nil // the kernel knows P_PIDFD, and we are no child of ours
		}
		add("wait by pidfd", true, err, "waitid takes P_PIDFD", "no run can be started: Linux 5.4 or later is needed")
		unix.Close(pidfd)
	}

	m := mounted()
	own, err := m.Own()
	if err == nil && m.Version != 2 {
		err = fmt.Errorf("only cgroup v1 is mounted (%s)", m.Dir)
	}
	add("cgroup v2", false, err, "this process is in "+own,
		"runs get no cgroup of their own: processes that leave the payload's group are searched for in /proc, and there is no cpu.stat or pressure")
	if err == nil {
		list = append(list, cgroupFeatures(m)...)
	}
	if m.Version == 1 {
		add("placement by ptrace", false, ptraceable(), "a child can be stopped before its first instruction", "--cgroup cannot be used on this host")
	}

	add("process table", false, readable("/proc/self/environ", "/proc/self/fd", "/proc/loadavg"), "/proc can be searched",
		"without a cgroup, a process that left the payload's group is not found")
	err = nil
	if l, ok := descendants.LockLimit(0); !ok {
		err = errors.New("prlimit does not work")
	} else if self.Mark() == 0 {
		err = fmt.Errorf("RLIMIT_LOCKS is taken: soft limit %s, hard limit %s", limitText(l.Cur), limitText(l.Max))
	}
	add("mark", false, err, "descendants of a run are recognised by a unique RLIMIT_LOCKS value (Linux ignores this limit)",
		"without a cgroup, a process that left the group, cleared its environment and closed its streams is found only as an orphan of ktstr, and not at all after ktstr was killed: start ktstr with ulimit -x unlimited, and not within two runs of ktstr")
	err = unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, 0, 0, 0, 0)
	if err == unix.EFAULT {
		err = nil // the kernel knows the option, and the address was wrong
	}
	add("subreaper", false, err, "orphans can become children of ktstr",
		"orphans of a run become children of init, and stay zombies if init does not reap them")
	size, err := pipeSize()
	if err == nil && size < pipeBuffer {
		err = fmt.Errorf("pipes hold %d KiB", size>>10)
	}
	add("large pipes", false, err, fmt.Sprintf("pipes hold %d KiB", size>>10),
		"a payload that prints in bursts may wait for ktstr to read: raise fs.pipe-max-size or fs.pipe-user-pages-soft to give each pipe 1024 KiB")
	add("pressure", false, readable("/proc/pressure/cpu"), "the kernel measures stalls (PSI)",
		"the record has no pressure: boot with psi=1, or build with CONFIG_PSI")
	return list
}

func cgroupFeatures(m cgroup.Hierarchy) []Feature {
	leaf, err := m.Create("", fmt.Sprintf("ktstr-%d-probe", os.Getpid()))
	if err != nil {
		return []Feature{{Name: "private cgroup", Detail: err.Error(),
			Consequence: "runs get no cgroup of their own: run as root, or in a delegated subtree (systemd-run --user --scope)"}}
	}
	defer leaf.Remove()
	into := Feature{Name: "private cgroup", Present: true, Detail: "a child can be born into a fresh cgroup (clone3)"}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"ktstr-probe"}, &syscall.ProcAttr{
		// Traced, it stops before its first instruction. It is killed there.
		Sys: &syscall.SysProcAttr{Ptrace: true, UseCgroupFD: true, CgroupFD: leaf.FD()},
	})
	if err != nil {
		into.Present, into.Detail = false, err.Error()
		into.Consequence = "runs get no cgroup by themselves; with --cgroup the payload is stopped at its start and moved (Linux 5.7 or later, and a seccomp filter that allows clone3, place it at its birth)"
	} else {
		unix.Kill(pid, unix.SIGKILL)
		wait4(pid, 0)
	}
	kill := Feature{Name: "cgroup.kill", Present: true, Detail: "a cgroup can be killed as a whole"}
	if err := unix.Access(leaf.Path()+"/cgroup.kill", unix.W_OK); err != nil {
		kill = Feature{Name: "cgroup.kill", Detail: err.Error(), Consequence: "a cgroup is frozen and its processes are killed one by one (Linux 5.14 kills it as a whole)"}
	}
	stat, err := leaf.Stat()
	count := Feature{Name: "cgroup counters", Present: err == nil, Detail: "cpu.stat; controllers: " + strings.Join(stat.Controllers, " ")}
	if len(stat.Controllers) == 0 {
		count.Detail = "cpu.stat; no controllers in force, so the cgroup changes nothing for the payload"
	}
	if err != nil {
		count.Detail, count.Consequence = err.Error(), "the record has no cpu.stat"
	}
	return []Feature{into, kill, count}
}

// ptraceable returns nil if a child can be traced.
func ptraceable() (err error) {
	onLastingThread(func() {
		cmd := exec.Command("/proc/self/exe")
		cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
		if err = cmd.Start(); err == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return err
}

// exitInfo returns nil if PIDFD_GET_INFO gives the status of a reaped child. A
// probe would need such a child, so the version of the kernel decides.
func exitInfo() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	if release := unix.ByteSliceToString(u.Release[:]); !atLeast(release, 6, 15) {
		return errors.New("Linux " + release)
	}
	return nil
}

// atLeast reports whether the release of a kernel, such as 6.1.0-21-amd64, is that
// version or a later one.
func atLeast(release string, major, minor int) bool {
	first, rest, _ := strings.Cut(release, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, _ := strconv.Atoi(first)
	b, _ := strconv.Atoi(second)
	return a > major || a == major && b >= minor
}

// readable returns nil if all paths can be read.
func readable(paths ...string) error {
	for _, p := range paths {
		if _, err := os.Lstat(p); err != nil {
			return err
		}
		if err := unix.Access(p, unix.R_OK); err != nil {
			return &os.PathError{Op: "read", Path: p, Err: err}
		}
	}
	return nil
}

// pipeSize is the size of a grown pipe.
func pipeSize() (int, error) {
	s := stream{fd: -1, limit: 1}
	w, err := s.open()
	if err != nil {
		return 0, err
	}
	defer unix.Close(w)
	defer s.close()
	s.grow()
	return s.size, nil
}

// limitText is a resource limit as ulimit prints it.
func limitText(v uint64) string {
	if v == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(v, 10)
}

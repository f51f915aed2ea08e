package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/nearest"
	"github.com/ktstr/ktstr/internal/series"
)

// installer installs a program with apt-get. The services that Debian starts with a package
// are held back, and processes of the new packages that run all the same are ended.
type installer struct {
	stdin  io.Reader // of the answer
	stderr io.Writer // of the plan and of the output of apt-get
	yes    bool      // do not ask
	policy string    // the file that Debian's packages ask before they start a service
}

// policyFile is the file of installer.policy on Debian. See invoke-rc.d(8).
const policyFile = "/usr/sbin/policy-rc.d"

// packageName is a name that apt-get installs. An option cannot look like it.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*$`)

// install installs the program of that name, or the program of the payload of that name.
func (i installer) install(programs []program, name string) error {
	at := slices.IndexFunc(programs, func(p program) bool { return p.Name == name || slices.Contains(p.Payloads, name) })
	if at < 0 {
		var known []string
		for _, p := range programs {
			known = append(append(known, p.Name), p.Payloads...)
		}
		err := fmt.Errorf("--install %s: no payload or extractor of ktstr needs this program", name)
		if near := nearest.Of(name, known); near != "" {
			err = fmt.Errorf("%w. Did you mean %s?", err, near)
		}
		return err
	}
	p := programs[at]
	if p.Path != "" {
		_, err := fmt.Fprintf(i.stderr, "%s is installed: %s\n", p.Name, line(p.Path))
		return err
	}
	packages, err := aptPackages(p)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("--install %s: only root can install. Run: sudo %s", name, p.Install)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("--install %s: this host has no apt-get: install %s with its package manager", name, p.Name)
	}
	if !i.confirmed(p) {
		return &exitError{core.ExitRun, fmt.Errorf("--install %s: nothing was installed: answer y, or give --yes", name)}
	}
	if err := i.apt(packages); err != nil {
		return &exitError{core.ExitRun, fmt.Errorf("--install %s: %w", name, err)}
	}
	path, err := exec.LookPath(p.Name)
	if err != nil {
		return &exitError{core.ExitRun, fmt.Errorf("--install %s: apt-get succeeded, and there is no %s on PATH", name, p.Name)}
	}
	_, err = fmt.Fprintf(i.stderr, "%s is installed: %s\n", p.Name, line(path))
	return err
}

// aptPackages returns the packages of a command "apt-get install PACKAGE…". ktstr runs no
// other command, because a payload file could hold any.
func aptPackages(p program) ([]string, error) {
	words := strings.Fields(p.Install)
	ok := len(words) > 2 && words[0] == "apt-get" && words[1] == "install"
	for _, w := range words[min(2, len(words)):] {
		ok = ok && packageName.MatchString(w)
	}
	switch {
	case p.Install == "":
		return nil, fmt.Errorf("--install %s: its payload does not say how: want install in needs", p.Name)
	case !ok:
		return nil, fmt.Errorf("--install %s: ktstr runs only apt-get install. Read this command, and run it yourself: %s", p.Name, p.Install)
	}
	return words[2:], nil
}

// confirmed prints the plan and asks.
func (i installer) confirmed(p program) bool {
	fmt.Fprintf(i.stderr, "this runs as root: %s\n", p.Install)
	if p.Daemon != "" {
		fmt.Fprintf(i.stderr, "Debian starts the service %s with it. ktstr holds it back. It starts at the next boot, unless you disable it.\n", p.Daemon)
	} else {
		fmt.Fprintln(i.stderr, "Services that Debian starts with a package are held back.")
	}
	if i.yes {
		return true
	}
	fmt.Fprint(i.stderr, "install? [y/N] ")
	answer, _ := bufio.NewReader(i.stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// apt installs packages, and ends the processes that their installation started.
func (i installer) apt(packages []string) (err error) {
	stops := series.CatchStops() // apt-get gets Ctrl-C too: this process waits for it and cleans up
	defer stops.Close()
	before, err := installedPackages()
	if err != nil {
		return err
	}
	release, err := i.holdServices()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	cmd := exec.Command("apt-get", append([]string{"install", "-y", "--"}, packages...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = i.stderr, i.stderr
	if failed := cmd.Run(); failed != nil {
		err = fmt.Errorf("apt-get: %w. If it does not find the package, run apt-get update first", failed)
	}
	after, listed := installedPackages()
	if listed != nil {
		return errors.Join(err, listed)
	}
	var added []string
	for _, p := range after {
		if !slices.Contains(before, p) {
			added = append(added, p)
		}
	}
	return errors.Join(err, i.endProcesses(added))
}

// installedPackages returns the names of the installed packages.
func installedPackages() ([]string, error) {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${binary:Package}\n").Output()
	if err != nil {
		return nil, fmt.Errorf("dpkg-query: %w", err)
	}
	var names []string
	for l := range strings.Lines(string(out)) {
		if state, name, ok := strings.Cut(strings.TrimSpace(l), " "); ok && strings.HasPrefix(state, "ii") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names, nil
}

// policyMark is in a policy that a killed ktstr left.
const policyMark = "# ktstr doctor --install"

// holdServices puts a policy in place that forbids to start services, and returns a function
// that removes it. A policy of the host stays. The policy allows everything once this
// process is gone.
func (i installer) holdServices() (release func() error, err error) {
	if old, err := os.ReadFile(i.policy); err == nil {
		if !strings.Contains(string(old), policyMark) {
			return func() error { return nil }, nil
		}
		if err := os.Remove(i.policy); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(i.policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(f, "#!/bin/sh\n%s of process %d\nkill -0 %[2]d 2>/dev/null && exit 101\nexit 0\n", policyMark, os.Getpid())
	if err = errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(i.policy))
	}
	return func() error { return os.Remove(i.policy) }, nil
}

// endProcesses ends the processes that run an executable of the packages. The packages were
// not there before, so neither were these processes.
func (i installer) endProcesses(packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	out, err := exec.Command("dpkg-query", append([]string{"-L", "--"}, packages...)...).Output()
	if err != nil {
		return fmt.Errorf("dpkg-query: %w", err)
	}
	files := map[string]bool{}
	for l := range strings.Lines(string(out)) {
		files[strings.TrimSpace(l)] = true
	}
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		path, err := os.Readlink(link)
		if err != nil || !files[path] && !files[strings.TrimPrefix(path, "/usr")] {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		fmt.Fprintf(i.stderr, "ending %s (process %d), which the installation started\n", line(path), pid)
		if err := endProcess(pid); err != nil {
			return fmt.Errorf("process %d (%s) still runs: %w", pid, path, err)
		}
	}
	return nil
}

// endProcess sends SIGTERM to a process and waits for its end, at most ten seconds.
func endProcess(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil // it is gone
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		return nil
	}
	deadline := time.Now().Add(10 * time.Second)
	for left := time.Until(deadline); left > 0; left = time.Until(deadline) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 {
			return nil
		}
		if err != nil && err != unix.EINTR {
			return err
		}
	}
	return errors.New("it did not end within 10 s of SIGTERM")
}

// Command spawn measures package spawn against C, Rust and os/exec. It builds
// its peers with the distribution's compilers, lets all sides of a row take
// turns, and prints the ratios of their medians with the goals beside them:
//
//	go run ./bench/spawn [-rounds 15] [-row regexp]
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ktstr/ktstr/spawn"
	"github.com/ktstr/ktstr/spawn/cgroup"
)

// sample is one run as one side saw it.
type sample struct {
	wall, cpu float64 // ns
	wakes     float64
	bytes     float64
}

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "side" {
		side(os.Args[2:])
		return
	}
	rounds := flag.Int("rounds", 15, "turns that each side takes")
	only := flag.String("row", "", "regular expression of the rows to measure")
	flag.Parse()
	dir, err := os.MkdirTemp("", "ktstr-bench-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	build(dir)
	match := regexp.MustCompile(*only)
	before := load()
	fmt.Printf("| what | side | median | of the peer | goal | holds |\n|---|---|---|---|---|---|\n")
	for _, r := range rows(dir) {
		if match.MatchString(r.name) {
			r.measure(*rounds)
		}
	}
	fmt.Printf("\nLoad average at the start %s, at the end %s; %d processors, nice %d.\n\n", before, load(), runtime.NumCPU(), niceness())
}

// load is the load average of one and of five minutes, which tells whether the
// machine was calm.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(text))
	if err != nil || len(f) < 2 {
		return "unknown"
	}
	return f[0] + " " + f[1]
}

// niceness is the priority that the sides inherit.
func niceness() int {
	n, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		log.Fatal(err)
	}
	return 20 - n // the system call gives it upside down
}

// build compiles the peers next to the source of this program.
func build(dir string) {
	src := "bench/spawn/peers"
	if _, err := os.Stat(src + "/peer.c"); err != nil {
		log.Fatalf("bench: %v: want to be run at the root of the repository", err)
	}
	for _, args := range [][]string{
		{"gcc", "-O2", "-Wall", "-static", "-o", dir + "/payload", src + "/payload.c"},
		{"gcc", "-O2", "-Wall", "-o", dir + "/peer-c", src + "/peer.c"},
		{"rustc", "-O", "--edition", "2021", "-o", dir + "/peer-rust", src + "/peer.rs"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			log.Fatalf("bench: %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// contender is a side of a row: a program that prints samples.
type contender struct {
	name string
	argv []string
	idle bool // measured from outside, for one second in the middle of its run
}

func idle(c contender) contender { c.idle = true; return c }

// goal bounds the ratio of a side's median to that of the row's first side.
type goal struct {
	side string
	what string // wall, cpu, wakes/s or speed
	most float64
	anti bool // the bound is the least instead
}

type row struct {
	name  string
	sides []contender
	goals []goal
}

func rows(dir string) []row {
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	payload := dir + "/payload"
	c := func(mode string, n, limit int, argv ...string) contender {
		return contender{"C " + mode, append([]string{dir + "/peer-c", mode, strconv.Itoa(n), strconv.Itoa(limit)}, argv...), false}
	}
	goSide := func(name string, n int, argv ...string) contender {
		return contender{name, append([]string{self, "side", name, strconv.Itoa(n)}, argv...), false}
	}
	rust := func(n int, argv ...string) contender {
		return contender{"Rust output()", append([]string{dir + "/peer-rust", strconv.Itoa(n)}, argv...), false}
	}
	const cap16 = 16 << 20
	return []row{
		{"run of /bin/true", []contender{
			c("floor", 40, 0, "/bin/true"), rust(40, "/bin/true"), goSide("os/exec", 40, "/bin/true"), goSide("spawn", 40, "/bin/true"), goSide("library", 40, "/bin/true"),
		}, []goal{{"spawn", "wall", 1.25, false}, {"spawn", "cpu", 5, false}, {"library", "wall", 1.5, false}}},
		{"16 MiB captured", []contender{
			c("poll", 5, cap16, payload, "flood", "16777216"), goSide("os/exec", 5, payload, "flood", "16777216"), goSide("spawn", 5, payload, "flood", "16777216"), goSide("spawn cold", 5, payload, "flood", "16777216"),
		}, []goal{{"spawn", "wall", 1, false}}},
		{"256 MiB, cap 16 MiB", []contender{
			c("poll", 2, cap16, payload, "flood", "268435456"), goSide("spawn", 2, payload, "flood", "268435456"),
		}, []goal{{"spawn", "speed", 1.2, true}}},
		{"silent payload, 2 s", []contender{
			idle(c("poll", 1, cap16, payload, "silent", "2500")), idle(goSide("spawn", 1, payload, "silent", "2500")),
		}, []goal{{"spawn", "wakes/s", 0, false}}},
		{"1 MB/s in 4 KiB writes, 4 s", []contender{
			c("poll", 1, cap16, payload, "steady", "976"), goSide("os/exec", 1, payload, "steady", "976"), goSide("spawn", 1, payload, "steady", "976"),
		}, []goal{{"spawn", "wakes/s", 85, false}, {"spawn", "cpu", 1, false}}},
		{"cgroup", []contender{
			goSide("spawn", 40, "/bin/true"), goSide("spawn ready cgroup", 40, "/bin/true"), goSide("spawn fresh cgroup", 40, "/bin/true"),
		}, []goal{{"spawn ready cgroup", "wall", 1.05, false}, {"spawn fresh cgroup", "wall", 1.3, false}}},
		{"kill 100 descendants (and an escapee: spawn)", []contender{
			c("killpg", 5, cap16, payload, "tree", "100"), goSide("kill cgroup", 5, payload, "tree", "100", "1"), goSide("kill search", 5, payload, "tree", "100", "1"),
		}, []goal{{"kill cgroup", "wall", 1.2, false}, {"kill search", "wall", 2.5, false}}},
	}
}

func (r row) measure(rounds int) {
	samples := make([][]sample, len(r.sides))
	for range rounds {
		for i, s := range r.sides {
			samples[i] = append(samples[i], s.take()...)
		}
	}
	base := medians(samples[0])
	for i, s := range r.sides {
		m := medians(samples[i])
		text := fmt.Sprintf("%s wall, %s CPU, %.0f wake-ups/s", ns(m.wall), ns(m.cpu), m.wakes/m.wall*1e9)
		ratio := fmt.Sprintf("%.2f× wall", m.wall/base.wall)
		if base.cpu > 0 {
			ratio += fmt.Sprintf(", %.2f× CPU", m.cpu/base.cpu)
		}
		if i == 0 {
			ratio = "1"
		}
		var goals, holds []string
		for _, g := range r.goals {
			if g.side != s.name {
				continue
			}
			v := map[string]float64{"wall": m.wall / base.wall, "cpu": m.cpu / base.cpu, "speed": base.wall / m.wall, "wakes/s": m.wakes / m.wall * 1e9}[g.what]
			sign, ok := "≤", v <= g.most
			if g.anti {
				sign, ok = "≥", v >= g.most
			}
			goals = append(goals, fmt.Sprintf("%s %s %v", g.what, sign, g.most))
			holds = append(holds, fmt.Sprintf("%s (%.2f)", map[bool]string{true: "yes", false: "NO"}[ok], v))
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", r.name, s.name, text, ratio, strings.Join(goals, ", "), strings.Join(holds, ", "))
	}
}

func ns(v float64) string {
	d := time.Duration(v)
	switch {
	case d >= time.Second:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

func medians(s []sample) sample {
	pick := func(f func(sample) float64) float64 {
		v := make([]float64, len(s))
		for i := range s {
			v[i] = f(s[i])
		}
		slices.Sort(v)
		return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
	}
	return sample{
		pick(func(s sample) float64 { return s.wall }), pick(func(s sample) float64 { return s.cpu }),
		pick(func(s sample) float64 { return s.wakes }), pick(func(s sample) float64 { return s.bytes }),
	}
}

// take lets a side have its turn.
func (c contender) take() (all []sample) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Stderr = os.Stderr
	if c.idle {
		if err := cmd.Start(); err != nil {
			log.Fatal(err)
		}
		time.Sleep(time.Second)
		c0, w0 := threads(cmd.Process.Pid)
		t0 := time.Now()
		time.Sleep(time.Second)
		c1, w1 := threads(cmd.Process.Pid)
		wall := time.Since(t0)
		if err := cmd.Wait(); err != nil {
			log.Fatalf("bench: %s: %v", strings.Join(c.argv, " "), err)
		}
		return []sample{{float64(wall), c1 - c0, w1 - w0, 0}}
	}
	out, err := cmd.Output()
	if err != nil {
		log.Fatalf("bench: %s: %v", strings.Join(c.argv, " "), err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var s sample
		if _, err := fmt.Sscan(lines.Text(), &s.wall, &s.cpu, &s.wakes, &s.bytes); err != nil {
			log.Fatalf("bench: %s printed %q: %v", c.argv[0], lines.Text(), err)
		}
		all = append(all, s)
	}
	return all
}

// threads sums CPU time (ns) and wake-ups of all threads of a process.
func threads(pid int) (cpu, wakes float64) {
	dirs, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(dirs) == 0 {
		log.Fatalf("bench: process %d has no threads: %v", pid, err)
	}
	for _, dir := range dirs {
		status, _ := os.ReadFile(dir + "/status")
		for line := range strings.Lines(string(status)) {
			if name, n, _ := strings.Cut(line, ":"); name == "voluntary_ctxt_switches" {
				v, _ := strconv.ParseFloat(strings.TrimSpace(n), 64)
				wakes += v
			}
		}
		var ns float64
		stat, _ := os.ReadFile(dir + "/schedstat")
		fmt.Sscan(string(stat), &ns)
		cpu += ns
	}
	return cpu, wakes
}

func usage() (cpu time.Duration, wakes int64) {
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), ru.Nvcsw
}

// side is one of the Go sides: side NAME COUNT PROGRAM ARGS...
func side(args []string) {
	name, argv := args[0], args[2:]
	count, err := strconv.Atoi(args[1])
	if err != nil {
		log.Fatal(err)
	}
	c := spawn.Command{Path: argv[0], Args: argv[1:], NoCgroup: true}
	run := func() float64 {
		res, err := spawn.Run(context.Background(), c)
		if err != nil {
			log.Fatal(err)
		}
		n := float64(res.Stdout.Bytes + res.Stderr.Bytes)
		res.Release()
		return n
	}
	switch name {
	case "os/exec":
		run = func() float64 {
			var out, errs bytes.Buffer
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				log.Fatal(err)
			}
			return float64(out.Len() + errs.Len())
		}
	case "spawn":
	case "spawn cold":
		run = func() float64 {
			res, err := spawn.Run(context.Background(), c)
			if err != nil {
				log.Fatal(err)
			}
			return float64(res.Stdout.Bytes + res.Stderr.Bytes)
		}
	case "spawn fresh cgroup":
		c.NoCgroup = false
	case "spawn ready cgroup":
		c.NoCgroup, c.Cgroups = false, newReady()
	case "kill cgroup", "kill search":
		c.NoCgroup = name == "kill search"
		killing(c, count)
		return
	case "library":
		run = library(argv)
	default:
		log.Fatalf("bench: no side %q", name)
	}
	// The C side's buffers are touched before it begins, so ours are as well.
	if len(argv) > 1 && name == "spawn" {
		res, err := spawn.Run(context.Background(), spawn.Command{Path: argv[0], Args: []string{"flood", "16777216"}, NoCgroup: true})
		if err != nil {
			log.Fatal(err)
		}
		res.Release()
	} else if len(argv) == 1 {
		run()
	}
	for range count {
		c0, w0 := usage()
		t0 := time.Now()
		n := run()
		wall := time.Since(t0)
		c1, w1 := usage()
		fmt.Println(wall.Nanoseconds(), (c1 - c0).Nanoseconds(), w1-w0, n)
	}
	if ready != nil {
		os.Remove(ready.Path())
	}
}

// killing times Kill, once the payload is ready.
func killing(c spawn.Command, count int) {
	dir, err := os.MkdirTemp("", "ktstr-bench-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for range count {
		r, w, err := os.Pipe()
		if err != nil {
			log.Fatal(err)
		}
		c.TeeStdout = w
		p, err := spawn.Start(context.Background(), c)
		if err != nil {
			log.Fatal(err)
		}
		r.Read(make([]byte, 6)) // "ready\n"
		c0, w0 := usage()
		t0 := time.Now()
		res, err := p.Kill()
		wall := time.Since(t0)
		c1, w1 := usage()
		if err != nil || len(res.Killed) < 100 || !res.Stdout.Complete { // 100 children and more
			log.Fatalf("bench: kill: %v, killed %v, complete %v", err, res.Killed, res.Stdout.Complete)
		}
		fmt.Println(wall.Nanoseconds(), (c1 - c0).Nanoseconds(), w1-w0, res.Stdout.Bytes)
		r.Close()
		w.Close()
	}
}

// ready is a cgroup that is there before the run and stays after it.
var ready *readyCgroup

type readyCgroup struct {
	cgroup.Leaf // only for the methods that a plain run does not call
	dir         string
	fd          int
}

func newReady() cgroup.Creator {
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/unified/cgroup.procs"); err == nil {
		root += "/unified"
	}
	dir := filepath.Join(root, fmt.Sprintf("bench-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		log.Fatal(err)
	}
	fd, err := syscall.Open(dir, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	ready = &readyCgroup{dir: dir, fd: fd}
	return ready
}

func (r *readyCgroup) Create(_, _ string) (cgroup.Leaf, error) { return r, nil }
func (r *readyCgroup) Preload()                                {}
func (r *readyCgroup) Path() string                            { return r.dir }
func (r *readyCgroup) FD() int                                 { return r.fd }
func (r *readyCgroup) Enter() (leave func())                   { return func() {} }
func (r *readyCgroup) Procs() ([]int, error)                   { return nil, nil }
func (r *readyCgroup) Drain(time.Duration) error               { return nil }
func (r *readyCgroup) Stat() (cgroup.Stat, error)              { return cgroup.Stat{}, nil }
func (r *readyCgroup) Remove() error                           { return nil }

// Json measures the JSON extractor against its peers and its bars, and prints
// one table in Markdown:
//
//	go run ./bench/json [-rounds 21] [-only cold,warm,...]
//
// It wants gcc, g++ and libsimdjson-dev, cargo and librust-serde-json-dev, jq
// and python3; a peer that cannot be built is said and left out. Every round
// runs each contestant once, one after the other, so that whatever else the
// machine does hits all of them; the table has medians, and ratios of medians.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	rounds = flag.Int("rounds", 21, "how often each contestant runs")
	only   = flag.String("only", "", "sections to run, comma-separated: cold, warm, hostile, hints, memory, growth (default: all)")
)

// capture is the largest that comes from a real tool; large is grown from it.
const capture = "plugins/fio/testdata/large-64jobs-jsonplus-3.42/stdout"

// peer is a program that is run as argv, with FILE and N put in. What it prints
// is a line for each walk, unless it is mute for us: then it prints its result,
// which nobody reads, because reading would be our work on its time.
type peer struct {
	name string
	argv []string
	mute bool
}

func (p peer) command(file string, n int) *exec.Cmd {
	var args []string
	for _, a := range p.argv {
		args = append(args, strings.NewReplacer("FILE", file, "N!", strconv.Itoa(n)).Replace(a))
	}
	return exec.Command(args[0], args[1:]...)
}

// run is one execution: the wall and processor time of the process, its peak
// memory (where peers/peak started it), and what it said of its walks.
type run struct {
	wall   time.Duration
	cpu    time.Duration
	peak   int64 // bytes
	count  int
	sum    float64
	walks  []float64 // ns
	result int       // bytes
}

func (p peer) run(file string, n int) (r run, err error) {
	c := p.command(file, n)
	var out bytes.Buffer
	var complaint bytes.Buffer
	if c.Stderr = &complaint; !p.mute {
		c.Stdout = &out
	}
	warmMemory()
	begin := time.Now()
	if err := c.Run(); err != nil {
		return r, fmt.Errorf("%s: %w\n%s", p.name, err, &complaint)
	}
	r.wall = time.Since(begin)
	r.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	lines := strings.Fields(complaint.String())
	if len(lines) > 0 {
		r.peak, _ = strconv.ParseInt(lines[len(lines)-1], 10, 64) // where peak started it
	}
	for _, line := range strings.Split(out.String(), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		ns, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			continue
		}
		r.count, _ = strconv.Atoi(f[0])
		r.sum, _ = strconv.ParseFloat(f[1], 64)
		r.walks = append(r.walks, ns)
		if len(f) > 3 {
			r.result, _ = strconv.Atoi(f[3])
		}
	}
	return r, nil
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// row is a line of the table.
func row(what, got, bar string, held bool) {
	word := "**no**"
	if held {
		word = "yes"
	}
	if bar == "" {
		word = ""
	}
	fmt.Printf("| %s | %s | %s | %s |\n", what, got, bar, word)
}

func ratio(what string, got, than, bar float64, unit string, scale float64) {
	row(what, fmt.Sprintf("%.2f / %.2f %s = %.2f", got/scale, than/scale, unit, got/than), fmt.Sprintf("≤ %g", bar), got/than <= bar)
}

func main() {
	flag.Parse()
	if _, err := os.Stat(capture); err != nil {
		fatal(fmt.Errorf("%w: run it in the root of the repository", err))
	}
	tmp, err := os.MkdirTemp("", "bench-json")
	check(err)
	defer os.RemoveAll(tmp)
	b := bench{tmp: tmp, large: filepath.Join(tmp, "large.json")}
	b.build()
	check(os.WriteFile(b.large, grown(3_370_000), 0o644))
	fmt.Printf("\n| what | measured | bar | held |\n|---|---|---|---|\n")
	for _, s := range []struct {
		name string
		run  func()
	}{
		{"cold", b.cold}, {"warm", b.warm}, {"hostile", b.hostile},
		{"hints", b.hints}, {"memory", b.memory}, {"growth", b.growth},
	} {
		if *only == "" || slices.Contains(strings.Split(*only, ","), s.name) {
			s.run()
		}
	}
}

type bench struct {
	tmp, large    string
	walker, ktstr peer
	peers         []peer
}

func (b *bench) build() {
	sh := func(name string, args ...string) error {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return nil
	}
	at := func(name string) string { return filepath.Join(b.tmp, name) }
	check(os.Setenv("CGO_ENABLED", "0")) // as in make build
	check(sh("go", "build", "-o", at("walker"), "./bench/json/peers/walker"))
	check(sh("go", "build", "-o", at("gopeers"), "./bench/json/peers/gopeers"))
	check(sh("go", "build", "-o", at("hints"), "./bench/json/hints"))
	check(sh("go", "build", "-tags", "grpcnotrace", "-o", at("ktstr"), "./cmd/ktstr"))
	b.walker = peer{name: "ktstr's walk", argv: []string{at("walker"), "FILE", "N!", "new"}}
	check(sh("gcc", "-O2", "-o", at("peak"), "bench/json/peers/peak.c"))
	b.ktstr = peer{name: "ktstr extract json", argv: []string{at("ktstr"), "extract", "json", "--stdout", "FILE", "-o", "json"}, mute: true}

	try := func(p peer, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s is left out: %v\n", p.name, err)
			return
		}
		b.peers = append(b.peers, p)
	}
	try(peer{name: "C, single pass", argv: []string{at("scan"), "FILE", "N!"}}, sh("gcc", "-O2", "-o", at("scan"), "bench/json/peers/scan.c"))
	err := sh("g++", "-O2", "-o", at("simdjson"), "bench/json/peers/simdjson.cpp", "-lsimdjson")
	try(peer{name: "simdjson DOM", argv: []string{at("simdjson"), "FILE", "N!", "dom"}}, err)
	try(peer{name: "simdjson on demand", argv: []string{at("simdjson"), "FILE", "N!", "ondemand"}}, err)
	err = sh("cp", "-r", "bench/json/peers/serde", at("serde"))
	if err == nil {
		err = sh("cargo", "build", "-q", "--release", "--offline", "--manifest-path", at("serde/Cargo.toml"),
			"--config", `source.crates-io.replace-with="debian"`, "--config", `source.debian.directory="/usr/share/cargo/registry"`)
	}
	try(peer{name: "serde_json Value", argv: []string{at("serde/target/release/serde-walk"), "FILE", "N!", "tree"}}, err)
	try(peer{name: "serde_json streaming", argv: []string{at("serde/target/release/serde-walk"), "FILE", "N!", "stream"}}, err)
	for name, how := range map[string]string{"encoding/json any": "any", "fastjson, new parser": "new", "fastjson, reused parser": "reused", "fastjson, a job at a time": "chunks"} {
		try(peer{name: name, argv: []string{at("gopeers"), "FILE", "N!", how}}, nil)
	}
	_, err = exec.LookPath("jq")
	try(peer{name: "jq", argv: []string{"jq", "-r", `paths(type=="number") as $p | "\($p|map(tostring)|join(".")) \(getpath($p))"`, "FILE"}, mute: true}, err)
	_, err = exec.LookPath("python3")
	try(peer{name: "python", argv: []string{"python3", "bench/json/peers/walk.py", "FILE", "N!"}}, err)
	slices.SortFunc(b.peers[3:], func(a, b peer) int { return strings.Compare(a.name, b.name) })
	for _, p := range append([]peer{b.walker, b.ktstr}, b.peers...) {
		if strings.HasPrefix(p.argv[0], b.tmp) {
			install(p.argv[0])
		}
	}
}

// install puts a copy in the place of an executable, as installing it would. A
// linker writes through a mapping, and the page cache then holds the file in
// single pages, each of which a start has to map; a copy lies there in large
// pieces, as does a file that was read from the disk.
func install(path string) {
	code, err := os.ReadFile(path)
	check(err)
	check(os.WriteFile(path+".new", code, 0o755))
	check(os.Rename(path+".new", path))
}

// warmMemory has the kernel use again, for the next process, memory that was
// used just now. Large free pieces of a virtual machine's memory go back to its
// host (free page reporting); to have one again took 4 ms for 2 MB where this
// was written, which says nothing about who happens to meet it.
func warmMemory() {
	m, err := syscall.Mmap(-1, 0, 64<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	check(err)
	_ = syscall.Madvise(m, syscall.MADV_HUGEPAGE) // refused where the kernel has none
	for i := 0; i < len(m); i += 4096 {
		m[i] = 1
	}
	check(syscall.Munmap(m))
}

// peak is p with its peak memory measured.
func (b *bench) peak(p peer) peer {
	p.argv = append([]string{filepath.Join(b.tmp, "peak")}, p.argv...)
	return p
}

// interleave runs every peer once a round on its file, n walks each, and calls
// f with each run but those of a first round, which warms the caches.
func interleave(peers []peer, files []string, n, rounds int, f func(i int, r run)) {
	for round := range rounds + 1 {
		for i, p := range peers {
			r, err := p.run(files[i%len(files)], n)
			check(err)
			if round > 0 {
				f(i, r)
			}
		}
	}
}

// cold: a fresh process, from its start to its end.
func (b *bench) cold() {
	all := append([]peer{b.walker, b.ktstr}, b.peers...)
	wall, cpu, first := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	var count int
	var sum float64
	interleave(all, []string{b.large}, 1, *rounds, func(i int, r run) {
		wall[i], cpu[i] = append(wall[i], float64(r.wall)), append(cpu[i], float64(r.cpu))
		if len(r.walks) > 0 {
			first[i] = append(first[i], r.walks[0])
			if count == 0 {
				count, sum = r.count, r.sum
			}
			if r.count != count || math.Abs(r.sum-sum) > sum*1e-12 {
				fatal(fmt.Errorf("%s finds %d numbers, sum %v: want %d, %v", all[i].name, r.count, r.sum, count, sum))
			}
		}
	})
	for i, p := range all {
		got := fmt.Sprintf("%.1f ms, %.1f of processor time", median(wall[i])/1e6, median(cpu[i])/1e6)
		if len(first[i]) > 0 {
			got += fmt.Sprintf("; the walk itself %.1f", median(first[i])/1e6)
		}
		row("cold: "+p.name, got, "", true)
	}
	for i, p := range all {
		if bar := map[string]float64{"simdjson DOM": 0.9, "serde_json Value": 0.25, "jq": 0.1}[p.name]; bar != 0 {
			ratio("cold: the walk / "+p.name, median(wall[0]), median(wall[i]), bar, "ms", 1e6)
			ratio("the same, processor time", median(cpu[0]), median(cpu[i]), bar, "ms", 1e6)
		}
	}
}

// warm: walk after walk in one process.
func (b *bench) warm() {
	reused := peer{name: "ktstr's walk, buffers reused", argv: []string{b.walker.argv[0], "FILE", "N!", "reused"}}
	all := []peer{reused}
	for _, p := range b.peers {
		if p.name != "jq" && p.name != "python" {
			all = append(all, p)
		}
	}
	walks := make([][]float64, len(all))
	leaves := 0.0
	interleave(all, []string{b.large}, 10, *rounds, func(i int, r run) {
		walks[i] = append(walks[i], r.walks[3:]...)
		leaves = float64(r.count)
	})
	for i, p := range all {
		row("warm: "+p.name, fmt.Sprintf("%.1f ns a number", median(walks[i])/leaves), "", true)
	}
	for i, p := range all {
		if strings.HasPrefix(p.name, "C,") {
			ratio("warm: the walk / "+p.name, median(walks[0])/leaves, median(walks[i])/leaves, 1.6, "ns", 1)
		}
	}
}

func (b *bench) hostile() {
	for _, unit := range []string{"[", `{"`, "[INFO]\n"} {
		file := filepath.Join(b.tmp, "hostile")
		check(os.WriteFile(file, bytes.Repeat([]byte(unit), 16<<20/len(unit)), 0o644))
		all := []peer{{argv: []string{b.walker.argv[0], "FILE", "N!", "new"}}, {argv: []string{b.walker.argv[0], "FILE", "N!", "loop"}}, {argv: []string{b.walker.argv[0], "FILE", "N!", "none"}}}
		walks, peaks := make([][]float64, len(all)), make([][]float64, len(all))
		for i := range all {
			all[i] = b.peak(all[i])
		}
		interleave(all, []string{file}, 3, *rounds, func(i int, r run) {
			walks[i] = append(walks[i], r.walks...)
			peaks[i] = append(peaks[i], float64(r.peak))
		})
		name := strings.TrimSpace(unit)
		ratio(fmt.Sprintf("16 MiB of `%s` / a loop over the bytes", name), median(walks[0]), median(walks[1]), 3, "ms", 1e6)
		more := (median(peaks[0]) - median(peaks[2])) / 1e6
		row(fmt.Sprintf("16 MiB of `%s`: peak memory above reading it", name), fmt.Sprintf("%.1f MB", more), "flat (≤ 2 MB)", more <= 2)
	}
}

func (b *bench) hints() {
	times := make([][]float64, 2)
	for round := range *rounds + 1 {
		warmMemory()
		out, err := exec.Command(filepath.Join(b.tmp, "hints"), capture, "10000", "10").Output()
		check(err)
		for k, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			for i, f := range strings.Fields(line) {
				v, err := strconv.ParseFloat(f, 64)
				check(err)
				if round > 0 && k > 0 {
					times[i] = append(times[i], v)
				}
			}
		}
	}
	for i, what := range []string{"hints (10 patterns)", "checks"} {
		ms := median(times[i]) / 1e6
		row("10,000 numbers × 100 "+what, fmt.Sprintf("%.2f ms", ms), "≤ 10 ms", ms <= 10)
	}
}

func (b *bench) memory() {
	empty := filepath.Join(b.tmp, "empty.json")
	check(os.WriteFile(empty, []byte(`{"a":1}`), 0o644))
	info, err := os.Stat(b.large)
	check(err)
	for _, p := range []peer{b.walker, b.ktstr} {
		var with, without []float64
		result := 0
		interleave([]peer{b.peak(p), b.peak(p), b.walker}, []string{b.large, empty, b.large}, 1, *rounds, func(i int, r run) {
			switch i {
			case 0:
				with = append(with, float64(r.peak))
			case 1:
				without = append(without, float64(r.peak))
			case 2:
				result = r.result
			}
		})
		got, bar := median(with)-median(without), float64(info.Size())+1.5*float64(result)
		row(p.name+", peak memory above an empty run", fmt.Sprintf("%.1f MB", got/1e6), fmt.Sprintf("≤ %.1f MB (input + 1.5 × result of %.1f)", bar/1e6, float64(result)/1e6), got <= bar)
	}
}

// grown is the capture with its jobs put in again, in turn, until it has so many bytes.
func grown(size int) []byte {
	text, err := os.ReadFile(capture)
	check(err)
	const first, end = "\n    {\n", "\n    },"
	begin := bytes.Index(text, []byte(first))
	last := bytes.LastIndex(text, []byte(end)) + len(end)
	if begin < 0 || last < begin {
		fatal(fmt.Errorf("%s: no jobs in it", capture))
	}
	jobs := bytes.SplitAfter(text[begin:last], []byte(end))
	jobs = jobs[:len(jobs)-1] // what is behind the last end is nothing
	more := make([]byte, 0, size)
	for i := 0; len(text)+len(more) < size; i++ {
		more = append(more, jobs[i%len(jobs)]...)
	}
	return slices.Concat(text[:begin], more, text[begin:])
}

// growth: the same jobs, ten and a hundred times.
func (b *bench) growth() {
	info, err := os.Stat(capture)
	check(err)
	base := 0.0
	for _, times := range []int{1, 10, 100} {
		file := filepath.Join(b.tmp, "grown.json")
		check(os.WriteFile(file, grown(times*int(info.Size())), 0o644))
		var per []float64
		count := 0
		interleave([]peer{b.walker}, []string{file}, 1, max(3, *rounds/times), func(_ int, r run) {
			per = append(per, r.walks[0]/float64(r.count))
			count = r.count
		})
		if times == 1 {
			base = median(per)
		}
		row(fmt.Sprintf("%d× the input, %d numbers, cold", times, count), fmt.Sprintf("%.1f ns a number, %.2f of 1×", median(per), median(per)/base), "linear (≤ 1.5)", median(per) <= 1.5*base)
		os.Remove(file)
	}
}

func check(err error) {
	if err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "bench/json:", err)
	os.Exit(1)
}

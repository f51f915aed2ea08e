package noise

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHistogramAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []float64{1, 300, 5e4, 3e9} {
		var h histogram
		var all []uint64
		for range 10_000 {
			v := uint64(rng.ExpFloat64() * scale)
			all = append(all, v)
			h.record(v)
		}
		slices.Sort(all)
		for _, perMille := range []uint64{1, 500, 900, 990, 999, 1000} {
			want := all[(uint64(len(all))*perMille+999)/1000-1]
			got := h.quantile(perMille)
			if got < want || float64(got) > float64(want)*(1+1.0/256) {
				t.Errorf("scale %v: quantile(%d) = %d, want %d or at most 0.4%% more", scale, perMille, got, want)
			}
		}
		if h.min != all[0] || h.max != all[len(all)-1] {
			t.Errorf("scale %v: min %d max %d, want %d and %d", scale, h.min, h.max, all[0], all[len(all)-1])
		}
	}
}

func TestHistogramBuckets(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<14; v++ {
		b := bucketOf(v)
		if b != last && b != last+1 {
			t.Fatalf("bucketOf(%d) = %d after %d: want no holes", v, b, last)
		}
		if b != bucketOf(upper(b)) || upper(b) < v {
			t.Fatalf("upper(%d) = %d: want the greatest value of the bucket of %d", b, upper(b), v)
		}
		last = b
	}
	for _, v := range []uint64{1<<topBits - 1, 1 << topBits, 1 << 50, math.MaxUint64} {
		if got := bucketOf(v); got != buckets-1 {
			t.Errorf("bucketOf(%d) = %d, want the last, %d", v, got, buckets-1)
		}
	}
	var empty histogram
	if got := empty.quantile(500); got != 0 {
		t.Errorf("quantile without samples = %d, want 0", got)
	}
}

func TestHistogramAdd(t *testing.T) {
	var a, b, sum, empty histogram
	for v := uint64(10); v < 5000; v += 7 {
		a.record(v)
		sum.record(v)
	}
	for v := uint64(3); v < 100_000; v += 101 {
		b.record(v)
		sum.record(v)
	}
	var got histogram
	got.add(&empty)
	got.add(&a)
	got.add(&empty)
	got.add(&b)
	if got != sum {
		t.Errorf("add: %d samples, min %d, max %d; want those of all values: %d, %d, %d",
			got.samples, got.min, got.max, sum.samples, sum.min, sum.max)
	}
}

func TestParseStat(t *testing.T) {
	c := parseStat([]byte("cpu  7918 0 3965 144702 327 0 40 17 0 0\ncpu0 3652 1 1733 73061 22 2 7 8 0 0\n" +
		"cpu12 4266 0 2231 71641 305 0 33 9 0 0\ncpu3 1 2\nintr 123 0 9\nctxt 456\nbtime 1\n\ncpux 1 2 3 4 5 6 7 8 9\n"))
	want := cpuTimes{3652, 1, 1733, 73061, 22, 2, 7, 8}
	if len(c.cpu) != 2 || c.cpu[0] != want || c.cpu[12].steal != 9 || c.switches != 456 || c.interrupts != 123 {
		t.Errorf("parseStat = %+v", c)
	}
	if c := parseStat(nil); len(c.cpu) != 0 {
		t.Errorf("parseStat(nothing) = %+v, want nothing", c)
	}
}

func TestDocument(t *testing.T) {
	quiet := &sampler{cpu: 0, waited: 10, began: 1e9, ended: 3e9}
	loud := &sampler{cpu: 7, waited: 5, switches: 3, gaps: 1, gapTime: 2e6, began: 1.5e9, ended: 3.5e9}
	dead := &sampler{cpu: 8, err: errors.New("offline")}
	for range 99 {
		quiet.wakeup.record(100)
	}
	loud.wakeup.record(2e6)
	before := counters{cpu: map[int]cpuTimes{0: {}, 7: {}}, switches: 100, interrupts: 50,
		pressure: map[string]uint64{"cpu": 1000}}
	after := counters{cpu: map[int]cpuTimes{0: {user: 10, idle: 90}, 7: {system: 20, steal: 50, softirq: 5, idle: 25}},
		switches: 300, interrupts: 50, pressure: map[string]uint64{"cpu": 1000 + 50_000, "io": 4}}
	text, err := json.Marshal(newDocument([]*sampler{quiet, loud, dead}, 1e6, 1e9, before, after))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"tool":"ktstr-noise","interrupted":false,"cpus":2,"period":1000000,"duration":2.5,` +
		`"wakeup":{"samples":100,"min":100,"mean":20099,"p50":100,"p90":100,"p99":100,"p99_9":2000000,"max":2000000},` +
		`"gaps":{"count":1,"time":2000000},"stolen":25,"busy":15,"interrupts":2.5,"waited":15,"involuntary":3,` +
		`"switches":200,"irqs":0,"pressure":{"cpu":5},"cpu":{` +
		`"0":{"wakeup":{"samples":99,"min":100,"mean":100,"p50":100,"p90":100,"p99":100,"p99_9":100,"max":100},` +
		`"gaps":{"count":0,"time":0},"stolen":0,"busy":10,"interrupts":0,"waited":10,"involuntary":0},` +
		`"7":{"wakeup":{"samples":1,"min":2000000,"mean":2000000,"p50":2000000,"p90":2000000,"p99":2000000,"p99_9":2000000,"max":2000000},` +
		`"gaps":{"count":1,"time":2000000},"stolen":50,"busy":20,"interrupts":5,"waited":5,"involuntary":3}}}`
	if string(text) != want {
		t.Errorf("document:\n got %s\nwant %s", text, want)
	}
}

// What was not measured is absent, and not 0.
func TestDocumentWithoutMeasurements(t *testing.T) {
	text, err := json.Marshal(newDocument([]*sampler{{cpu: 1, waited: -1}}, 1e6, 0, counters{}, counters{}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"tool":"ktstr-noise","interrupted":false,"cpus":1,"period":1000000,"duration":0,"involuntary":0,"cpu":{"1":{"involuntary":0}}}`
	if string(text) != want {
		t.Errorf("document:\n got %s\nwant %s", text, want)
	}
}

func TestLoopDoesNotAllocate(t *testing.T) {
	s := &sampler{period: 100_000, stop: new(atomic.Bool)}
	allocs := testing.AllocsPerRun(3, func() {
		s.first = monotonic()
		s.until = s.first + 40*s.period
		if errno := s.loop(); errno != 0 {
			t.Fatal(errno)
		}
	})
	if allocs != 0 {
		t.Errorf("the measuring loop allocates %v times", allocs)
	}
	if s.wakeup.samples == 0 {
		t.Error("no samples: want some of 40 periods")
	}
}

// Deadlines that pass during a gap are skipped.
func TestLoopCountsGaps(t *testing.T) {
	s := &sampler{period: 1e6, stop: new(atomic.Bool)}
	now := monotonic()
	s.first = now - 100*s.period // the first wake-up is late by 100 periods
	s.until = now + 30*s.period
	s.loop()
	if s.wakeup.samples > 40 {
		t.Errorf("%d samples in 30 periods: want those in the past skipped", s.wakeup.samples)
	}
}

func runMain(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestMainMeasures(t *testing.T) {
	// On a loaded machine a sampler may sleep through a short time.
	code, stdout, stderr := runMain(t, "--duration", "100ms")
	for _, longer := range []string{"1s", "10s"} {
		if strings.Contains(stdout, `"p50"`) {
			break
		}
		code, stdout, stderr = runMain(t, "--duration", longer)
	}
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	var d struct {
		Cpus        int
		Interrupted bool
		Wakeup      struct{ Samples, P50, Max float64 }
		CPU         map[string]struct{ Wakeup struct{ Samples float64 } }
		Work        struct{ Time float64 }
	}
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		t.Fatalf("stdout is not one JSON document: %v\n%s", err, stdout)
	}
	if d.Cpus == 0 || len(d.CPU) != d.Cpus || d.Interrupted || d.Wakeup.Samples == 0 || d.Wakeup.P50 == 0 || d.Wakeup.Max < d.Wakeup.P50 || d.Work.Time == 0 {
		t.Errorf("document: %+v", d)
	}
}

func TestMainOneCPU(t *testing.T) {
	code, stdout, stderr := runMain(t, "--duration=20ms", "--cpus=0-0,0", "--period=1ms")
	if code != 0 || !strings.Contains(stdout, `"cpus": 1,`) {
		t.Errorf("exit %d, stdout %s, stderr %q; want one CPU", code, stdout, stderr)
	}
}

// Interrupted, it prints what it has and says so by its exit status too.
func TestMainInterrupted(t *testing.T) {
	// Until Main has installed its own handler, this one keeps the test alive.
	guard := make(chan os.Signal, 1)
	signal.Notify(guard, unix.SIGINT)
	defer signal.Stop(guard)
	var code int
	var stdout string
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, stdout, _ = runMain(t, "--duration", "1h")
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-tick.C:
			unix.Kill(os.Getpid(), unix.SIGINT)
		}
	}
	if code != 130 || !strings.Contains(stdout, `"interrupted": true`) || !json.Valid([]byte(stdout)) {
		t.Errorf("exit %d, stdout %s; want 130 and a document that says interrupted", code, stdout)
	}
}

func TestMainRefuses(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--period 1us", "--period 1µs: want 50us to 1s"},
		{"--period 2s", "want 50us to 1s"},
		{"--duration 1ms", "want at least 20ms, 20 periods of 1ms"},
		{"--duration 25h", "want at most 24h"},
		{"--duration soon", "soon"},
		{"--cpus x", `--cpus "x": "x": want CPU numbers and ranges, as 0,2-3`},
		{"--cpus 3-1", "want CPU numbers"},
		{"--cpus -1", "want CPU numbers"},
		{"--cpus 99999999", "want CPU numbers"},
		{"--cpus 1023", "CPU 1023 is not one that this process may use"},
		{"extra", `argument "extra": want flags only`},
		{"--nonsense", "nonsense"},
	} {
		code, stdout, stderr := runMain(t, strings.Fields(c.args)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want 2 and %q", c.args, code, stdout, stderr, c.want)
		}
	}
}

// The help says what each number means.
func TestHelpNamesEveryNumber(t *testing.T) {
	code, stdout, _ := runMain(t, "--help")
	if code != 0 {
		t.Errorf("--help: exit %d, want 0", code)
	}
	for _, name := range []string{"wakeup.p50", "wakeup.samples", "gaps.count", "gaps.time", "waited", "involuntary", "stolen",
		"busy", "interrupts", "switches", "irqs", "pressure.cpu", "cpu.N", "work.time", "work.spread", "work.shows", "period", "duration", "cpus"} {
		if !strings.Contains(stdout, "  "+name) && !strings.Contains(stdout, ", "+name) {
			t.Errorf("--help does not explain %s", name)
		}
	}
}

// Who looks at the payload reads the same explanation.
func TestPayloadExplains(t *testing.T) {
	about := strings.ReplaceAll("  "+strings.TrimSpace(meaning), "\n", "\n  ")
	about = strings.ReplaceAll(about, "\n  \n", "\n\n")
	payload, err := os.ReadFile("payloads/noise.yaml")
	if err != nil || !strings.Contains(string(payload), about) {
		t.Errorf("payloads/noise.yaml does not hold the text of --help:\n%s", about)
	}
}

// The judgement follows from the spread as that of ktstr calibrate does: 5 runs a side show 1.8
// times the spread.
func TestWorkOfTimes(t *testing.T) {
	var times []float64
	for i := range repetitions {
		times = append(times, 50e6*(1+0.02*math.Sin(float64(i*i))))
	}
	w := workOf(times)
	if w == nil || w.Time < 49e6 || w.Time > 51e6 || w.Spread < 0.9 || w.Spread > 3 || math.Abs(float64(w.Shows/w.Spread)-1.8) > 0.1 {
		t.Errorf("%+v, want about 50 ms, 1.4 %%, and 1.8 times that", w)
	}
	if w := workOf(times[:3]); w != nil {
		t.Errorf("three times give %+v, want nothing", w)
	}
}

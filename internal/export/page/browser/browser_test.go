// Package browser opens reports in Chromium, as a user does. `make soak` runs its test. It needs Debian's package chromium.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// hostile is a name that would become markup, code or another order of the text.
const hostile = `</script><script>document.title="owned"</script><img src=x onerror='document.title="owned"'>` + "\u202e\x1b]0;x\x07"

// record returns a record of ktstr.run/v1. Each tenth of n runs is a set. Its values grow by 6 % after six sets.
func record(i, n, metrics int, name func(m int) string) map[string]any {
	random := rand.New(rand.NewPCG(7, uint64(i)))
	set := i * 10 / n
	var list []map[string]any
	for m := range metrics {
		unit := []string{"us", "iops", "B/s", ""}[m%4]
		polarity := []string{"lower", "higher", "higher", "unknown"}[m%4]
		value := []float64{120, 45000, 3.1e8, 7}[m%4] * (1 + 0.03*random.NormFloat64())
		if set >= 6 {
			value *= 1.06
		}
		list = append(list, map[string]any{"name": name(m), "value": value, "unit": unit, "polarity": polarity, "stream": "stdout", "line": m + 1})
	}
	r := map[string]any{
		"schema": "ktstr.run/v1", "id": fmt.Sprint("r", i), "index": i, "payload": "fio-mixed", "argv": []string{"fio"}, "dir": "/",
		"start": time.Date(2026, 9, 1+7*set, 0, 0, 30*i, 0, time.UTC), "duration": 12.5, "exit_code": 0, "signal": "", "timed_out": false, "interrupted": false,
		"verdict": "pass", "details": []any{}, "extraction": map[string]any{"status": "ok", "extractor": "fio", "version": "1", "diagnostics": []any{}},
		"metrics": list, "headlines": []string{name(0), name(1), name(2)}, "capture": map[string]any{}, "bundle": fmt.Sprint("/runs/run-", i),
		"host":   map[string]any{"name": "node7", "kernel": fmt.Sprint("6.12.", 3+set/4), "arch": "amd64", "cpu": "EPYC", "cpus": 8, "governor": "", "memory": 1 << 36},
		"labels": map[string]string{"set": fmt.Sprint("set-", set), "commit": fmt.Sprintf("%x%032d", 0x5e587e2+set*7919, set), "commit_time": "2026-09-01T10:00:00Z"},
	}
	if i%97 == 13 {
		r["verdict"], r["exit_code"], r["metrics"] = "fail", 3, []any{}
		r["details"] = []any{map[string]any{"kind": "exit-code", "check": "exit == 0", "message": "exit code 3: want 0; stderr ends with: " + name(0)}}
	}
	return r
}

// report returns the path of a report of n runs.
func report(t *testing.T, ktstr string, n, metrics int, name func(m int) string) string {
	t.Helper()
	dir := t.TempDir()
	var records []any
	for i := range n {
		records = append(records, record(i, n, metrics, name))
	}
	text, err := json.Marshal(map[string]any{"schema": "ktstr.runs/v1", "runs": records})
	if err != nil {
		t.Fatal(err)
	}
	file, out := filepath.Join(dir, "runs.json"), filepath.Join(dir, "report.html")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(ktstr, "runs", "show", file, "--export", "html="+out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// A tab is a page that is open, with everything that went wrong in it.
type tab struct {
	ctx    context.Context
	mu     sync.Mutex
	faults []string
}

func open(t *testing.T, browser context.Context, path string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	x := &tab{ctx: ctx}
	var listening sync.WaitGroup
	t.Cleanup(func() { cancel(); listening.Wait() })
	messages := chromedp.Console(ctx)
	listening.Go(func() {
		for m, err := range messages {
			if err != nil {
				return // the tab was closed
			}
			x.mu.Lock()
			x.faults = append(x.faults, string(m.Type)+": "+m.Text)
			x.mu.Unlock()
		}
	})
	x.run(t, chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+path), chromedp.WaitReady("html[data-drawn]"))
	return x
}

func (x *tab) run(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(x.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](t *testing.T, x *tab, script string) T {
	t.Helper()
	value, err := chromedp.Run(x.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (x *tab) noFaults(t *testing.T) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.faults) > 0 {
		t.Errorf("the page had faults: %q", x.faults)
	}
}

// clickPoint clicks at the first run of the first plot. The page draws it in the middle of its place.
func (x *tab) clickPoint(t *testing.T) {
	t.Helper()
	x.run(t, chromedp.ScrollIntoView(".plot canvas"))
	box := eval[[]float64](t, x, `(() => { const r = document.querySelector(".plot .u-over").getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`)
	// Sweep the first column until the tooltip shows a run.
	for y := box[1] + 4; y < box[1]+box[3]; y += 8 {
		x.run(t, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, box[0]+8, y))
		if eval[string](t, x, `String(document.querySelector(".tip") !== null)`) == "true" {
			x.run(t, chromedp.MouseClickXY(box[0]+8, y))
			return
		}
	}
	t.Fatal("no run under the mouse in the first column of the plot")
}

func TestReportInChromium(t *testing.T) {
	ktstr := filepath.Join(t.TempDir(), "ktstr")
	build := exec.Command("go", "build", "-o", ktstr, "./cmd/ktstr")
	build.Dir = "../../../.."
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("%v: this test needs Debian's package chromium", err)
	}
	plain := func(m int) string { return fmt.Sprint("job.read.", m) }

	t.Run("hostile text stays text", func(t *testing.T) {
		x := open(t, browser, report(t, ktstr, 40, 8, func(m int) string { return hostile + fmt.Sprint(m) }))
		x.run(t, chromedp.Click("#all"))
		x.clickPoint(t)
		if got := eval[string](t, x, `String(document.title)`); got != "fio-mixed" {
			t.Errorf("title %q, want fio-mixed", got)
		}
		detail := eval[string](t, x, `String(document.querySelector(".detail").textContent)`)
		if !strings.Contains(detail, `</script><script>document.title="owned"`) || strings.ContainsAny(detail, "\u202e\x1b") {
			t.Errorf("the panel of a run: want the name as text, without control characters, in %q", detail)
		}
		if strings.Contains(detail, "[object") {
			t.Errorf("the panel of a run has an object in the place of a text: %q", detail)
		}
		if !strings.Contains(detail, `\U0000202e\U0000001b`) {
			t.Errorf("want the control characters escaped in the command, in %q", detail)
		}
		if got := eval[string](t, x, `String(document.querySelectorAll("img, script:not([type]) ~ script[src], iframe").length)`); got != "0" {
			t.Errorf("%s elements from text", got)
		}
		x.noFaults(t)
	})

	t.Run("keyboard and filters", func(t *testing.T) {
		x := open(t, browser, report(t, ktstr, 40, 8, plain))
		x.run(t, chromedp.Focus(".plot"), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.Enter))
		if got := eval[string](t, x, `String(document.querySelector(".detail").hidden)`); got != "false" {
			t.Error("Enter on a run: want its panel")
		}
		x.run(t, chromedp.KeyEvent(kb.Escape))
		if got := eval[string](t, x, `String(document.querySelector(".detail").hidden)`); got != "true" {
			t.Error("Escape: want that the panel closes")
		}
		x.run(t, chromedp.SendKeys("#metric", "read.5"), chromedp.WaitReady(".card:only-child"))
		if got := eval[string](t, x, `String(document.querySelectorAll(".card").length + " " + location.hash)`); got != "1 #metric=read.5" {
			t.Errorf("with a filter: %s cards and hash, want 1 #metric=read.5", got)
		}
		x.noFaults(t)
	})

	t.Run("1000 runs of 60 metrics", func(t *testing.T) {
		path := report(t, ktstr, 1000, 60, plain)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 2<<20 {
			t.Errorf("%d bytes, want at most 2 MiB", info.Size())
		}
		var times []float64
		for range 5 {
			x := open(t, browser, path)
			times = append(times, eval[float64](t, x, `Number(document.documentElement.dataset.drawn)`))
			x.noFaults(t)
		}
		slices.Sort(times)
		t.Logf("%d bytes; first draw after %.0f ms (median of %v)", info.Size(), times[2], times)
	})

	dir := os.Getenv("KTSTR_SCREENSHOTS")
	if dir == "" {
		return
	}
	t.Run("screenshots", func(t *testing.T) {
		x := open(t, browser, report(t, ktstr, 200, 12, plain))
		save := func(name string) {
			t.Helper()
			png, err := chromedp.Run(x.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, width := range []int64{1600, 1024, 390} {
			for _, scheme := range []string{"light", "dark"} {
				media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
				if _, err := chromedp.Call(x.ctx, emulation.SetEmulatedMedia, media); err != nil {
					t.Fatal(err)
				}
				x.run(t, chromedp.EmulateViewport(width, 1200))
				eval[bool](t, x, `scrollTo(0, 0) === undefined`)
				save(fmt.Sprintf("report-%d-%s", width, scheme))
			}
		}
		x.run(t, chromedp.EmulateViewport(1280, 900))
		x.clickPoint(t)
		save("report-run")
	})
}

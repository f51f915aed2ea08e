package export

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/runs"
)

// The document of KCIDB, version 5.3, with the fields that ktstr fills.
// https://github.com/kernelci/kcidb-io
type (
	kcidbDocument struct {
		Version   kcidbVersion    `json:"version"`
		Checkouts []kcidbCheckout `json:"checkouts"`
		Builds    []kcidbBuild    `json:"builds"`
		Tests     []kcidbTest     `json:"tests"`
	}
	kcidbVersion struct {
		Major int `json:"major"`
		Minor int `json:"minor"`
	}
	kcidbCheckout struct {
		ID      string `json:"id"`
		Origin  string `json:"origin"`
		Comment string `json:"comment"`
	}
	kcidbBuild struct {
		ID           string `json:"id"`
		CheckoutID   string `json:"checkout_id"`
		Origin       string `json:"origin"`
		Architecture string `json:"architecture,omitempty"`
		Comment      string `json:"comment"`
	}
	kcidbTest struct {
		ID          string            `json:"id"`
		BuildID     string            `json:"build_id"`
		Origin      string            `json:"origin"`
		Path        string            `json:"path"`
		Status      string            `json:"status"`
		Comment     string            `json:"comment"`
		StartTime   string            `json:"start_time,omitempty"`
		Duration    *float64          `json:"duration,omitempty"`
		Number      *kcidbNumber      `json:"number,omitempty"`
		Environment *kcidbEnvironment `json:"environment,omitempty"`
		Misc        map[string]any    `json:"misc,omitempty"`
	}
	kcidbNumber struct {
		Value float64 `json:"value"`
		Unit  string  `json:"unit,omitempty"`
	}
	kcidbEnvironment struct {
		Comment string         `json:"comment"`
		Misc    map[string]any `json:"misc"`
	}
)

const kcidbOrigin = "ktstr"

// kcidbRuns writes a test for each run, and a test with a number for each headline of a good
// run. ktstr does not know how the kernel of the host was built. So a build and a checkout
// stand for the kernel's release, and their ids are to be replaced by those of the real build.
func kcidbRuns(w io.Writer, list []runs.Run) error {
	d := kcidbDocument{Version: kcidbVersion{5, 3}, Checkouts: []kcidbCheckout{}, Builds: []kcidbBuild{}, Tests: []kcidbTest{}}
	known := map[string]bool{}
	for _, run := range list {
		r := run.Record
		kernel := sanitized(r.Host.Kernel+"-"+r.Host.Arch, "._-+")
		id := kcidbOrigin + ":" + kernel
		if !known[id] {
			known[id] = true
			d.Checkouts = append(d.Checkouts, kcidbCheckout{id, kcidbOrigin, kcidbText("kernel " + r.Host.Kernel)})
			d.Builds = append(d.Builds, kcidbBuild{id, id, kcidbOrigin, sanitized(strings.ToLower(r.Host.Arch), "_"), kcidbText("kernel " + r.Host.Kernel)})
		}
		d.Tests = append(d.Tests, kcidbTests(run, id)...)
	}
	return indented(w, d)
}

// kcidbReport writes both sides of a comparison.
func kcidbReport(w io.Writer, s Source) error {
	return kcidbRuns(w, append(s.Runs[:len(s.Runs):len(s.Runs)], s.Other...))
}

// kcidbTests returns the tests of one run.
func kcidbTests(run runs.Run, build string) []kcidbTest {
	r := run.Record
	path := kcidbPath("ktstr", r.Payload, runs.Variant(r))
	test := kcidbTest{
		ID: kcidbOrigin + ":" + runs.Identity(r), BuildID: build, Origin: kcidbOrigin, Path: path, Status: kcidbStatus(r), Comment: kcidbText(Title(r)),
		Environment: &kcidbEnvironment{Comment: kcidbText(runs.Host(r)), Misc: map[string]any{"cpu": r.Host.CPU, "cpus": r.Host.CPUs, "memory": r.Host.Memory, "governor": r.Host.Governor}},
		Misc:        map[string]any{"labels": r.Labels, "tags": append([]string{}, run.Tags...)},
	}
	if r.NotStarted == "" {
		seconds := time.Duration(r.Duration).Seconds()
		test.Duration, test.StartTime = &seconds, r.Start.Format(time.RFC3339Nano)
	}
	tests := []kcidbTest{test}
	marked := map[string]bool{}
	for _, row := range headlines([]runs.Run{run}) {
		marked[row.Metric] = true
	}
	failed := failedChecks([]runs.Run{run})
	for _, m := range numbers(r) {
		if !marked[m.Name] {
			continue
		}
		status := "DONE"
		if failed[m.Name] {
			status = "FAIL"
		}
		tests = append(tests, kcidbTest{
			ID: test.ID + ":" + strconv.Itoa(len(tests)), BuildID: build, Origin: kcidbOrigin, Path: kcidbPath(path, m.Name), Status: status,
			Comment: kcidbText(Title(r) + " " + m.Name), StartTime: test.StartTime, Number: &kcidbNumber{m.Value, kcidbText(m.Unit)},
			Misc: map[string]any{"polarity": m.Polarity.String()},
		})
	}
	return tests
}

// kcidbStatus returns FAIL if a check failed, ERROR if the benchmark did not come to its end,
// and MISS if it did not run.
func kcidbStatus(r core.Record) string {
	switch {
	case r.NotStarted != "" || r.Interrupted:
		return "MISS"
	case r.Verdict == core.Pass:
		return "PASS"
	case runs.Broken(r):
		return "ERROR"
	}
	return "FAIL"
}

// kcidbPath joins names to the path of a test. A path has letters, digits, "_" and "-"
// between its dots, and no empty part.
func kcidbPath(names ...string) string {
	var parts []string
	for _, name := range names {
		for part := range strings.SplitSeq(sanitized(name, "._-"), ".") {
			if part != "" {
				parts = append(parts, part)
			}
		}
	}
	return strings.Join(parts, ".")
}

// kcidbText returns text without the zero bytes that the format refuses.
func kcidbText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

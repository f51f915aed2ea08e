package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/internal/testenv"
)

// command runs ktstr in this process and returns its exit status.
func command(t *testing.T, stdout *bytes.Buffer, args ...string) int {
	t.Helper()
	var stderr bytes.Buffer
	status := run(t.Context(), args, bytes.NewReader(nil), stdout, &stderr)
	if t.Failed() || testing.Verbose() {
		t.Logf("ktstr %q: exit status %d\n%s", args, status, stderr.Bytes())
	}
	return status
}

// pluginFio returns the path of the executable fio plugin.
func pluginFio(t *testing.T) string {
	t.Helper()
	return filepath.Join(testenv.Build(t, "./plugins/fio/ktstr-plugin-fio"), "ktstr-plugin-fio")
}

// ktstr runs the real fio, and its metrics equal the numbers in the output of fio. Both kinds of plugin process are tested: the
// bundled plugin and an executable.
func TestRealFio(t *testing.T) {
	for name, plugin := range map[string][]string{
		"bundled":    nil,
		"executable": {"--plugin", "fio=" + pluginFio(t)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"run", "fio-randread", "-o", "json", "--out", dir, "--scratch", t.TempDir(),
				"--check", "exists randread.read.iops", "--check", "randread.read.clat.p99 <= 60s"}, plugin...)
			var stdout bytes.Buffer
			if status := command(t, &stdout, append(args, "--", "--runtime=1", "--ramp_time=0", "--size=16m")...); status != core.ExitPass {
				t.Fatalf("exit status %d\n%s", status, stdout.Bytes())
			}
			var r core.Record
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join(r.Bundle, "stdout"))
			if err != nil {
				t.Fatal(err)
			}
			type latency struct {
				Mean       float64
				Percentile map[string]float64
			}
			var wrote struct {
				Jobs []struct {
					Read struct {
						IOPS     float64 `json:"iops"`
						BW       float64 `json:"bw_bytes"`
						TotalIOs float64 `json:"total_ios"`
						Clat     latency `json:"clat_ns"`
					}
				}
			}
			if err := json.Unmarshal(raw, &wrote); err != nil {
				t.Fatalf("%v in what fio printed:\n%s", err, raw)
			}
			if len(wrote.Jobs) != 1 {
				t.Fatalf("%d jobs: want 1", len(wrote.Jobs))
			}
			read := wrote.Jobs[0].Read
			check := func(name string, want float64, unit string) {
				t.Helper()
				m, ok := r.Metric("randread.read." + name)
				if !ok || m.Value != want || m.Unit != unit || fmt.Sprint(m.Stream) != "stdout" {
					t.Errorf("%s: got %+v, %v; want %v %s from stdout", name, m, ok, want, unit)
				}
			}
			check("iops", read.IOPS, "iops")
			check("bw", read.BW, "B/s")
			check("total_ios", read.TotalIOs, "count")
			check("clat.mean", read.Clat.Mean, "ns")
			check("clat.p99", read.Clat.Percentile["99.000000"], "ns")
			check("clat.p99_9", read.Clat.Percentile["99.900000"], "ns")
			if r.Frozen == nil || r.Frozen.VoluntarySwitches != 0 || r.Frozen.InvoluntarySwitches != 0 {
				t.Errorf("the plugin while fio ran: %+v; want no context switch", r.Frozen)
			}
		})
	}
}

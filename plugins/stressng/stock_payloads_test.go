package stressng_test

import (
	"os/exec"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/plugins/stressng"
)

// TestStockPayloads runs each stock payload with the installed stress-ng, for
// two seconds instead of ten: its checks hold and its headlines are there.
func TestStockPayloads(t *testing.T) {
	if testing.Short() {
		t.Skip("runs stress-ng for a quarter of a minute: not with -short")
	}
	if _, err := exec.LookPath("stress-ng"); err != nil {
		t.Fatal("stress-ng is not installed: make deps")
	}
	x := stressng.New()
	for _, f := range x.Describe().Payloads {
		t.Run(f.Name, func(t *testing.T) {
			p, err := payload.Parse(f.Name+".yaml", f.YAML)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"--timeout", "2s"}
			if f.Name == "stress-ng-memrate" {
				args = append(args, "--memrate-bytes", "4M") // all widths in turn, in two seconds of a busy machine
			}
			res, err := core.Run(t.Context(), core.Spec{
				Payload: p, Extractor: x, Args: args, Scratch: t.TempDir(), NoCgroup: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Err(); err != nil {
				t.Error(err)
			}
			if len(res.Headlines) < len(p.Hints) {
				t.Errorf("headlines %v of %v", res.Headlines, p.Hints)
			}
		})
	}
}

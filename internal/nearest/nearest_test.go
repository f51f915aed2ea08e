package nearest_test

import (
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/nearest"
)

func TestOfFindsMistypedNames(t *testing.T) {
	flags := []string{"--runtime", "--rw", "--bs", "--iodepth"}
	for word, want := range map[string]string{
		"--runtim": "--runtime", "--iodept": "--iodepth", "--RW": "--rw", "--bss": "--bs",
		"--completely-different": "", "": "", "x": "", strings.Repeat("-", 1<<20): "",
	} {
		if got := nearest.Of(word, flags); got != want {
			t.Errorf("Of(%.20q) = %q, want %q", word, got, want)
		}
	}
	payloads := []string{"noise", "schbench", "fio", "fio-randread"}
	for word, want := range map[string]string{"noisee": "noise", "niose": "noise", "shbench": "schbench", "fio-randraed": "fio-randread", "mybench": "", "bench": "", "foi": "fio", "nginx": ""} {
		if got := nearest.Of(word, payloads); got != want {
			t.Errorf("Of(%q) = %q, want %q", word, got, want)
		}
	}
}

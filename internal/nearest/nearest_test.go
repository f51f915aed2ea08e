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
	check := func(word string, known []string, want string) {
		t.Helper()
		if got := nearest.Of(word, known); got != want {
			t.Errorf("Of(%q) = %q, want %q", word, got, want)
		}
	}
	check("host", []string{"out", "for", "cgroup"}, "") // a short word is near to many
	check("fio-rand", payloads, "fio-randread")
	check("iops", []string{"randread.read.bw", "randread.read.iops"}, "randread.read.iops")
	check("ops", []string{"randread.read.iops"}, "")
}

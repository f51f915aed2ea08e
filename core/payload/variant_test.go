package payload_test

import (
	"testing"

	"github.com/ktstr/ktstr/core/payload"
)

func TestVersionInFindsTheProgramsVersion(t *testing.T) {
	check := func(n payload.Need, output, want string) {
		t.Helper()
		if got := n.VersionIn(output); got != want {
			t.Errorf("%+v, VersionIn(%q) = %q, want %q", n, output, got, want)
		}
	}
	check(payload.Need{}, "fio-3.33\n", "3.33")
	check(payload.Need{}, "stress-ng, version 0.15.06 (gcc 12.2.0, x86_64 Linux 6.18)", "0.15.06")
	check(payload.Need{}, "no version", "")
	check(payload.Need{VersionPattern: `^v(\d+)`}, "v7 of 2.0", "7")
	check(payload.Need{VersionPattern: `^v(\d+)`}, "7", "")
}

func TestResolveAppliesTheFirstVariantThatHolds(t *testing.T) {
	p, err := payload.Parse("a.yaml", []byte(`summary: x
binary: tool
args: [base]
needs: [{binary: tool, min_version: 0.10, install: apt-get install tool}]
variants:
  - when: {version: "< 0.15.8"}
    args: [old]
    note: the old way
  - when: {version: ">= 1, < 2", supports: --json}
    args: [json]
    checks: []
  - when: {supports: -x}
    note: nothing changes
`))
	if err != nil {
		t.Fatal(err)
	}
	if !p.AsksHelp() {
		t.Error("AsksHelp() = false for a condition on the help text")
	}
	check := func(found payload.Found, args, note string, checks int) {
		t.Helper()
		r, n, err := payload.Resolve(p, found)
		if err != nil || r.Args[0] != args || n != note || len(r.Checks) != checks || r.Variants != nil {
			t.Errorf("%+v: got %v, %d checks, note %q, %v; want %s, %d, %q", found, r.Args, len(r.Checks), n, err, args, checks, note)
		}
	}
	const unknown = "tool does not tell its version; the payload wants 0.10 or newer"
	check(payload.Found{Version: "0.15.06"}, "old", "the old way", 1)
	check(payload.Found{Version: "0.15.8"}, "base", "", 1)
	check(payload.Found{Version: "0.15.10-rc1"}, "base", "", 1)
	check(payload.Found{Version: "1.5", Help: "  --json\n"}, "json", "", 0)
	check(payload.Found{Version: "1.5", Help: "  --json-pretty, --no--json"}, "base", "", 1)
	check(payload.Found{Version: "2.0", Help: "[--json]"}, "base", "", 1)
	check(payload.Found{Version: "2.0", Help: "-x=N"}, "base", "nothing changes", 1)
	check(payload.Found{}, "base", unknown, 1)
	check(payload.Found{Help: "-x"}, "base", unknown+"; nothing changes", 1)
	_, _, err = payload.Resolve(p, payload.Found{Version: "0.9"})
	if want := "tool 0.9 is installed: want 0.10 or newer; install it with: apt-get install tool"; errorText(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

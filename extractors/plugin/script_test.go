package plugin

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
)

func TestScript(t *testing.T) {
	t.Parallel()
	p := startConfig(t, Config{Name: "script", Launcher: []string{"_launch"}, Path: testkit.Script(t, `#!/bin/sh
case $1 in
describe) cat <<'END'
{"name": "script", "version": "1.0", "hints": [{"name": "lat.*", "unit": "ms", "polarity": "lower", "headline": true}]}
END
;;
extract)
	awk '/latency/ { printf "{\"metric\": \"lat.%s\", \"value\": %s, \"unit\": \"ms\", \"line\": %d}\n", $2, $3, NR }'
	printf '{"diagnostic": "seen", "message": "%s %s %s"}\n' "$KTSTR_STREAM" "$KTSTR_EXIT_CODE" "${KTSTR_TRUNCATED:-whole}"
	echo "{\"hint\": \"x\", \"unit\": \"$(echo "$KTSTR_ARGV" | tr -d '"')\"}"
	wc -c >&2 </dev/stdin
;;
esac
`)})
	t.Logf("sandbox: %v", p.Sandbox())
	if d := p.Describe(); d.Name != "script" || len(d.Hints) != 1 || !d.Hints[0].Headline || p.Interface() != Script {
		t.Errorf("got description %+v", d)
	}
	code := 3
	got, err := p.Extract(context.Background(), ktstr.Output{
		Stream: ktstr.Stdout, Data: []byte("some\nlatency avg 1.5\nlatency max 7\n"), ExitCode: &code, Argv: []string{"bench", "-v"},
	})
	want := ktstr.Extraction{
		Metrics:     []ktstr.Metric{{Name: "lat.avg", Value: 1.5, Unit: "ms", Line: 2}, {Name: "lat.max", Value: 7, Unit: "ms", Line: 3}},
		Hints:       []ktstr.Hint{{Name: "x", Unit: "[bench,-v]"}},
		Diagnostics: []ktstr.Diagnostic{{Code: "seen", Message: "stdout 3 whole"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	thaw, err := p.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := thaw(); err != nil {
		t.Fatal(err)
	}
	big := append(bytes.Repeat([]byte("no number here 5678\n"), 16<<20/20), "latency end 1\n"...)
	if got, err := p.Extract(context.Background(), ktstr.Output{Data: big}); err != nil || len(got.Metrics) != 1 {
		t.Errorf("16 MiB: got %+v, %v", got, err)
	}
}

// C29
func TestScriptFaults(t *testing.T) {
	t.Parallel()
	for _, launcher := range [][]string{nil, {"_launch"}} {
		for _, c := range []struct {
			text  string
			op    string
			fault Fault
			want  string
		}{
			{testkit.DescribeLine + "echo nonsense", "extract", BadAnswer, `line "nonsense": want a JSON object`},
			{testkit.DescribeLine + `echo '{"metric": "m", "value": 1}'; echo oops >&2; exit 3`, "extract", Exited, "exit status 3; its last lines on standard error:\n\toops"},
			{testkit.DescribeLine + `echo '{"error": "not a version that I know"}'`, "extract", Failed, "not a version that I know"},
			{testkit.DescribeLine + `echo '{"metric": "m", "value": "many"}'`, "extract", BadAnswer, "many"},
			{testkit.DescribeLine + `while :; do :; done`, "extract", Hung, "no end within 300ms"},
			{testkit.DescribeLine + `sleep 1000`, "extract", Hung, "no end within 300ms"},
			{testkit.DescribeLine + `kill -SEGV $$; exit 9`, "extract", Exited, ""},
			{testkit.DescribeLine + `yes "$(printf '%16000s')"`, "extract", BadAnswer, "the answer exceeds 256 MiB"},
			{testkit.DescribeLine + `head -c 5000000 /dev/zero | tr '\0' ' '`, "extract", BadAnswer, "a line has more than 4194304 bytes"},
			{`echo '{"name": "other", "version": "1"}'`, "describe", BadAnswer, `calls itself "other": want "script"`},
			{`echo '{"name": "script"}'`, "describe", BadAnswer, "the version is empty"},
			{`echo hello`, "describe", BadAnswer, "this is no plugin: `describe` printed \"hello\": want one JSON object"},
			{`yes`, "describe", BadAnswer, "4194304 bytes and more: want one JSON object"},
			{`echo no perl here >&2; exit 127`, "describe", Exited, "exit status 127; its last lines on standard error:\n\tno perl here"},
		} {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				config := Config{Name: "script", Interface: Script, Path: testkit.Script(t, "#!/bin/sh\n"+c.text+"\n"), Launcher: launcher, DescribeTimeout: time.Minute, ExtractTimeout: 5 * time.Minute}
				if c.fault == Hung {
					config.ExtractTimeout = 300 * time.Millisecond
				}
				p, err := startPatiently(context.Background(), config)
				if c.op == "extract" && err == nil {
					_, err = p.Extract(context.Background(), ktstr.Output{Data: []byte("x")})
					p.Close()
				}
				var e *Error
				if !errors.As(err, &e) || e.Op != c.op || e.Fault != c.fault || !strings.Contains(e.Error(), c.want) {
					t.Errorf("%s: got %v; want %s: %s with %q", c.text, err, c.op, c.fault, c.want)
				}
			})
		}
	}
}

// On a filesystem that executes nothing, that is what is wrong.
func TestNoExec(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("ktstr-test", dir, "tmpfs", unix.MS_NOEXEC, "size=64m,mode=755"); errors.Is(err, fs.ErrPermission) {
		t.Skip("only root may mount what this needs")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	for name, from := range map[string]string{"script": testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine), "echo": testkit.Executable(t, "echo")} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "ktstr-plugin-"+name)
		if err := os.WriteFile(path, text, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, launcher := range [][]string{nil, {"_launch"}} {
			_, err := startPatiently(context.Background(), Config{Path: path, Launcher: launcher})
			if err == nil || !strings.HasSuffix(err.Error(), "permission denied: its filesystem is mounted noexec: want it on another one (installed plugins are below XDG_DATA_HOME)") {
				t.Errorf("%s, launcher %v: got %v", name, launcher, err)
			}
		}
	}
}

// What a script says wrong for `describe` is told, and not that it does not
// speak gRPC.
func TestScriptDescribesWrongly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`echo '{"name": "y", "version": "1", "interface": "script"}'`:         `calls itself "y": want "x"`,
		`echo loading; echo '{"name": "x", "version": "1"}'`:                  "want one JSON object",
		`echo '{"name": "x", "version": "1", "interface": "carrier-pigeon"}'`: "carrier-pigeon",
	} {
		_, err := startPatiently(context.Background(), Config{Name: "x", Path: testkit.Script(t, "#!/bin/sh\n"+text+"\n"), Launcher: []string{"_launch"}})
		var e *Error
		if !errors.As(err, &e) || e.Op != "describe" || !strings.Contains(e.Error(), want) || strings.Contains(e.Error(), "handshake") {
			t.Errorf("%s: got %v; want describe's error with %q", text, err, want)
		}
	}
}

// A script plugin's forgotten child neither hangs the call nor outlives it.
func TestScriptLeavesChild(t *testing.T) {
	t.Parallel()
	for _, launcher := range [][]string{nil, {"_launch"}} {
		mark := filepath.Base(t.TempDir()) + t.Name()
		p := startConfig(t, Config{Launcher: launcher, Path: testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine+`
sleep 98765 &
setsid sh -c 'sleep 98765; : `+mark+`' &
echo '{"metric": "m", "value": 1}'
`)})
		if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 {
			t.Errorf("got %+v, %v", x, err)
		}
		if pids := testkit.Running(t, mark); len(pids) > 0 {
			t.Errorf("launcher %q: left behind: %v", launcher, pids)
		}
	}
}

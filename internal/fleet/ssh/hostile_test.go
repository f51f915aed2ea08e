package ssh

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr/internal/fleet"
)

// A host that does not answer as the program does is an error that names the reason, in bounded time and memory.
func TestHostsThatDoNotRunTheProgram(t *testing.T) { // C47
	t.Parallel()
	const remedy = ". To try it as ktstr does, without questions: ssh -o BatchMode=yes node1 true"
	const login = "its login shell did not run the command of ktstr"
	tests := []struct{ name, script, want string }{
		{"ssh fails", "echo 'ssh: connect to host node1 port 22: Connection refused' >&2; exit 255",
			"ssh: connect to host node1 port 22: Connection refused" + remedy},
		{"several lines of ssh", "printf 'one\\ntwo\\r\\nthree.\\nfour\\nfive.\\nsix\\033[31m.\\n' >&2; exit 255", "ssh: two. three. four. five. six�[31m" + remedy},
		{"ssh is silent", "exit 255", "ssh ended with exit status 255" + remedy},
		{"ssh is killed", "kill -9 $$", login + ": ssh ended with signal: killed" + remedy},
		{"no shell", "echo 'This account is currently not available.'; exit 1",
			login + ". It printed: This account is currently not available: ssh ended with exit status 1" + remedy},
		{"another command", "echo; echo /bin/bash; exit 0", login + ". It printed: /bin/"},
		{"nothing", "exit 0", login + remedy},
		{"endless greeting", "exec yes", "its login shell printed more than 64 KiB before it ran a command: want a login script that prints only to a terminal. It printed: y. y. y. y. y"},
		{"endless line", "exec tr '\\0' x </dev/zero", "its login shell printed more than 64 KiB before it ran a command: want a login script that prints only to a terminal. It printed: xxx"},
		{"silence", "exec sleep 1000", "it did not log in within 3s: " + login},
		{"not Linux", "echo; echo 'ktstr-host: host FreeBSD 14.1 amd64'", "it runs FreeBSD: want Linux"},
		{"old kernel", "echo; echo 'ktstr-host: host Linux 5.3.18-150300.59-default x86_64'", "it runs Linux 5.3.18-150300.59-default: want Linux 5.4 or later"},
		{"odd kernel", "echo; echo 'ktstr-host: host Linux six x86_64'", "it runs Linux six: want Linux 5.4 or later"},
		{"no uname", "echo; echo 'ktstr-host: host '", `uname -srm gives "" there: want Linux`},
		{"another processor", "echo; echo 'ktstr-host: host Linux 6.1.0 mips'", "its processor is mips, and this ktstr is for "},
		{"a lie", "echo; echo 'ktstr-host: host Linux 6.1.0 '$(uname -m); echo 'ktstr-host: perhaps'", `it printed "perhaps": want the answer of ktstr`},
		{"garbage", "echo; echo 'ktstr-host: host Linux 6.1.0 '$(uname -m); printf '\\033]0;x\\007\\n'; exec yes", `it printed "�]0;x�": want the answer of ktstr`},
		{"its reason", "echo; echo 'ktstr-host: host Linux 6.1.0 '$(uname -m); echo 'ktstr-host: fail /x: No space'", `/x: No space`},
		{"takes nothing", "echo; echo 'ktstr-host: host Linux 6.1.0 '$(uname -m); echo 'ktstr-host: want'; exec <&-; echo 'ktstr-host: fail /x: No space'", `/x: No space`},
		{"cut in the middle", "echo; echo 'ktstr-host: host Linux 6.1.0 '$(uname -m); echo 'ktstr-host: want'; head -c 3 >/dev/null; echo 'Connection reset by peer' >&2; exit 255",
			"ssh: Connection reset by peer" + remedy},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := fakeSSH(t, tt.script)
			e.Hosts = ParseHosts("node1")
			hosts, err := e.Submit(t.Context(), order(t, "#"+strings.Repeat("x", 1<<20)))
			if err != nil {
				t.Fatal(err)
			}
			if tt.name == "silence" {
				hosts[0].(*host).loginTime = 3 * time.Second
			}
			c, err := hosts[0].Attach(t.Context(), func(string) {})
			if err == nil {
				c.Close()
				t.Fatalf("connected: want an error with %q", tt.want)
			}
			if got := err.Error(); !strings.HasPrefix(got, tt.want) || len(got) > 3000 {
				t.Errorf("got  %.2000s\nwant %s", got, tt.want)
			}
		})
	}
}

// What a host sends instead of the answers of ktstr is an error in bounded time, memory and space.
func TestHostileAnswers(t *testing.T) { // C47
	t.Parallel()
	text := func(kind byte, s string) string {
		return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(s)))) + s
	}
	message := func(s string) string { return text('M', s) }
	const wait = "exec cat >/dev/null"
	tests := []struct{ name, answers, then, want string }{
		{"garbage", "", "exec yes", "it does not speak the protocol of ktstr"},
		{"a huge message", "M\xff\xff\xff\xff", "exec sleep 1000", "it does not speak the protocol of ktstr"},
		{"JSON bomb", message(strings.Repeat("[", 1<<20)), wait, "it does not speak the protocol of ktstr"},
		{"endless lines", "", `exec tr '\000' '\n' </dev/zero`, "it does not speak the protocol of ktstr"},
		{"endless messages", message(`{"line":"` + strings.Repeat("x", 100_000) + `"}`), "for i in 1 2 3 4 5 6 7 8; do cat $0.answers $0.answers $0.answers $0.answers >>$0.more; done; while cat $0.more $0.more $0.more $0.more; do :; done", "it printed more than 16 MiB of messages"},
		{"a plugin that it must not have", message(`{"need":["` + strings.Repeat("0", 64) + `"]}`), wait, "it does not speak the protocol of ktstr"},
		{"detached unasked", message(`{"started":true}`), wait, "it does not speak the protocol of ktstr"},
		{"no tar", message(`{"runs":true}`) + text('D', strings.Repeat("x", 1024)), wait, "its bundles are no tar"},
		{"endless tar", message(`{"runs":true}`) + text('D', strings.Repeat("\x00", 1024)), "printf 'D\\0\\004\\0\\0'; exec cat /dev/zero", "it does not speak the protocol of ktstr"},
		{"runs twice", strings.Repeat(message(`{"runs":true}`)+text('D', strings.Repeat("\x00", 1024))+text('D', ""), 2), wait, "it does not speak the protocol of ktstr"},
		{"escapes", message(`{"error":"\u001b]0;owned\u0007` + strings.Repeat("x", 1<<20) + `"}`), wait, "\x1b]0;owned"},
		{"its end without runs", message(`{"exit":{"status":0}}`), "exit 0", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := fakeSSH(t, "echo; echo 'ktstr-host: host Linux 6.1.0 '$(uname -m); echo 'ktstr-host: exec'; cat $0.answers; "+tt.then)
			if err := os.WriteFile(e.Ssh+".answers", []byte(tt.answers), 0o600); err != nil {
				t.Fatal(err)
			}
			e.Hosts = ParseHosts("node1")
			job := order(t, "")
			job.Request = []byte("{}")
			hosts, err := e.Submit(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			root := filepath.Join(t.TempDir(), "runs")
			c := fleet.Client{Engine: "ssh", Hosts: hosts, Order: job, Root: root, Saved: &fleet.Saved{Set: job.Name}}
			c.Saved.Placed(hosts)
			r := c.Run(t.Context(), nil)[0]
			if r.Err == nil && tt.want != "" || r.Err != nil && (tt.want == "" || !strings.HasPrefix(r.Err.Error(), tt.want) || len(r.Err.Error()) > 5000) {
				t.Errorf("got  %.500v\nwant %s", r.Err, tt.want)
			}
			if len(r.Runs) > 0 {
				t.Errorf("%d runs: want none", len(r.Runs))
			}
			if left, _ := filepath.Glob(filepath.Join(root, "*")); left != nil {
				t.Errorf("kept %v", left)
			}
		})
	}
}

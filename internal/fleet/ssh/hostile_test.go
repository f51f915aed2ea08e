package ssh

import (
	"strings"
	"testing"
	"time"
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

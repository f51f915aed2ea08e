package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeDebian puts commands in front of PATH: an apt-get that installs newtool and, as some
// packages of Debian, leaves a process, and a dpkg-query that knows the package. It returns
// their directory. The process writes its id to the file daemon.pid.
func fakeDebian(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"newtoold": string(data),
		"apt-get": `#!/bin/sh
echo "apt-get $*"
sh "$DIR/policy-rc.d"; echo "policy says $?"
printf '#!/bin/sh\n' >"$DIR/newtool"; chmod +x "$DIR/newtool"
"$DIR/newtoold" 100 >/dev/null 2>&1 & echo $! >"$DIR/daemon.pid"
exit ${FAIL:-0}
`,
		"dpkg-query": `#!/bin/sh
case $1 in
-W) echo "ii  old"; if [ -e "$DIR/newtool" ]; then echo "ii  new"; fi ;;
-L) echo "$DIR/newtoold" ;;
esac
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DIR", dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir
}

func TestDoctorInstall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root installs")
	}
	tool := program{Name: "newtool", Payloads: []string{"newtool-fast"}, Install: "apt-get install new"}
	for _, c := range []struct {
		name, wanted, answer string
		program              program
		yes, fail, oldPolicy bool
		err                  string   // part of the error
		says                 []string // parts of the output
		installed            bool
	}{
		{name: "confirmed", wanted: "newtool", answer: "y\n", program: tool, installed: true,
			says: []string{"this runs as root: apt-get install new\n", "apt-get install -y -- new\n", "policy says 101\n", "newtoold (process ", "newtool is installed: "}},
		{name: "by payload, without a question", wanted: "newtool-fast", yes: true, program: tool, installed: true, says: []string{"policy says 101\n"}},
		{name: "a policy of a killed ktstr is replaced", wanted: "newtool", yes: true, oldPolicy: true, program: tool, installed: true, says: []string{"policy says 101\n"}},
		{name: "the daemon is named before the question", wanted: "newtool", answer: "\n", err: "nothing was installed",
			program: program{Name: "newtool", Install: "apt-get install new", Daemon: "newd"}, says: []string{"starts the service newd", "install? [y/N] "}},
		{name: "no answer", wanted: "newtool", program: tool, err: "nothing was installed: answer y, or give --yes"},
		{name: "apt-get fails", wanted: "newtool", yes: true, fail: true, program: tool, installed: true, err: "apt-get update", says: []string{"newtoold (process "}},
		{name: "unknown", wanted: "newtol", program: tool, err: "Did you mean newtool?"},
		{name: "another command", wanted: "newtool", yes: true, program: program{Name: "newtool", Install: "make && make install"}, err: "run it yourself: make && make install"},
		{name: "an option", wanted: "newtool", yes: true, program: program{Name: "newtool", Install: "apt-get install -oX=y new"}, err: "run it yourself"},
		{name: "there already", wanted: "newtool", program: program{Name: "newtool", Path: "/bin/newtool"}, says: []string{"newtool is installed: /bin/newtool\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fakeDebian(t)
			if c.fail {
				t.Setenv("FAIL", "100")
			}
			policy := filepath.Join(dir, "policy-rc.d")
			if c.oldPolicy {
				if err := os.WriteFile(policy, []byte("#!/bin/sh\n"+policyMark+" of process 1\nexit 0\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			err := installer{stdin: strings.NewReader(c.answer), stderr: &out, yes: c.yes, policy: policy}.install([]program{c.program}, c.wanted)
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			for _, text := range c.says {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is missing in\n%s", text, out.String())
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "newtool")); (err == nil) != c.installed {
				t.Errorf("installed: %v, want %v", err == nil, c.installed)
			}
			if _, err := os.Stat(policy); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the policy is left: %v", err)
			}
			if pid, err := os.ReadFile(filepath.Join(dir, "daemon.pid")); err == nil {
				if exe, err := os.Readlink("/proc/" + strings.TrimSpace(string(pid)) + "/exe"); err == nil && strings.HasSuffix(exe, "newtoold") {
					t.Errorf("process %s still runs %s", pid, exe)
				}
			}
		})
	}
}

// A policy of the host is neither changed nor removed.
func TestDoctorInstallKeepsThePolicyOfTheHost(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy-rc.d")
	const host = "#!/bin/sh\nexit 104\n"
	if err := os.WriteFile(policy, []byte(host), 0o755); err != nil {
		t.Fatal(err)
	}
	release, err := installer{policy: policy}.holdServices()
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(policy); err != nil || string(got) != host {
		t.Errorf("got %q, %v, want %q", got, err, host)
	}
}

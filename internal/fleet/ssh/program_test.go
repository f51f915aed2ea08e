package ssh

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeSSH returns an Engine whose ssh is a shell script. $command is the remote command.
func fakeSSH(t testing.TB, script string) Engine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nfor command; do :; done\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Engine{Ssh: path}
}

// The login shell of the user reads the command. `make soak` installs more shells than the tests of CI have.
func TestEveryLoginShellRunsTheProgram(t *testing.T) { // C47
	t.Parallel()
	if command, err := command(order(t, "").Ktstr, "set-1"); err != nil || strings.Count(command, "'") != 2 || strings.ContainsAny(command, "\\!\n") {
		t.Errorf("the command has a character that not every shell takes in single quotes: %s, %v", command, err)
	}
	tested := 0
	for _, shell := range []string{"sh", "bash", "dash", "zsh", "fish", "tcsh", "bsd-csh", "mksh", "ksh93", "yash", "busybox sh"} {
		if _, err := exec.LookPath(strings.Fields(shell)[0]); err != nil {
			continue
		}
		tested++
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			e := fakeSSH(t, fmt.Sprintf("export HOME=%s; unset XDG_CACHE_HOME; exec %s -c \"$command\"", t.TempDir(), shell))
			job := order(t, `echo "$@"; cat`)
			for range 2 { // with and without the executable on the host
				c, states, err := attach(t, e, job, "node1")
				if err != nil {
					t.Fatalf("%v: %v", states, err)
				}
				if got, want := talk(t, c, "input"), "_host-attach "+jobName(job.Name, "node1")+"\ninput"; got != want {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			}
		})
	}
	if tested < 3 {
		t.Errorf("%d shells: want sh, bash and dash at least", tested)
	}
}

// A login script may print before the program runs.
func TestGreetingIsSkipped(t *testing.T) { // C47
	t.Parallel()
	for name, greeting := range map[string]string{
		"lines":      "echo Welcome; echo 'ktstr-host'; echo 'see ktstr-host: exec'",
		"no newline": "printf 'Welcome to the lab: '",
		"much":       "yes | head -c 60000",
		"stderr":     "yes | head -c 60000 >&2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := fakeSSH(t, "export XDG_CACHE_HOME="+t.TempDir()+"; "+greeting+"; eval \"$command\"")
			c, _, err := attach(t, e, order(t, `cat`), "node1")
			if err != nil {
				t.Fatal(err)
			}
			if got := talk(t, c, "input"); got != "input" {
				t.Errorf("got %q: want input", got)
			}
		})
	}
}

// Hosts can have a common home directory, in which a job has its files.
func TestEachHostHasAJobOfItsOwn(t *testing.T) { // C47
	t.Parallel()
	e := fakeSSH(t, "export HOME="+t.TempDir()+"; unset XDG_CACHE_HOME; eval \"$command\"")
	job := order(t, `echo "$2"`)
	jobs := map[string]bool{}
	for _, host := range []string{"node1", "node2", "root@node1", "node1"} {
		c, _, err := attach(t, e, job, host)
		if err != nil {
			t.Fatal(err)
		}
		jobs[talk(t, c, "")] = true
	}
	if len(jobs) != 3 {
		t.Errorf("the jobs are %v: want one for each of three names", jobs)
	}
}

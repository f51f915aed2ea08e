package spawn

import (
	"os"
	"strings"
	"testing"
)

func TestEnvironment(t *testing.T) { // C6
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	t.Setenv("KTSTR_X", "mine")
	env := Environ("KTSTR_X=first", "KTSTR_X=last", "LC_ALL=POSIX", "not a pair")
	seen := map[string]int{}
	for _, kv := range env {
		seen[kv]++
	}
	if seen["KTSTR_X=last"] != 1 || seen["LC_ALL=POSIX"] != 1 || seen["KTSTR_X=mine"]+seen["KTSTR_X=first"]+seen["LC_ALL=C"]+seen["not a pair"] != 0 {
		t.Errorf("environment %q", env)
	}
	res := mustRun(t, Command{Path: "/bin/sh", Args: []string{"-c", "echo $LC_ALL $KTSTR_X"}})
	if string(res.Stdout.Data) != "C mine\n" {
		t.Errorf("printed %q", res.Stdout.Data)
	}
	// A run in a run has both cookies.
	res = mustRun(t, Command{Path: "/bin/sh", Args: []string{"-c", "echo $" + CookieVar}, Env: []string{CookieVar + "=outer"}})
	if got := string(res.Stdout.Data); !strings.HasPrefix(got, "outer:"+self.Cookies()) {
		t.Errorf("cookie %q", got)
	}
}

func TestStdin(t *testing.T) { // C6
	if res := mustRun(t, help("stdin")); string(res.Stdout.Data) != "0 EOF\n" {
		t.Errorf("stdin gave %q, want the end", res.Stdout.Data)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.WriteString("x")
	w.Close()
	c := help("stdin")
	c.Stdin = r
	if res := mustRun(t, c); string(res.Stdout.Data) != "1 <nil>\n" {
		t.Errorf("stdin gave %q, want a byte", res.Stdout.Data)
	}
}

package core

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/payload"
)

// A user is known by its name and by its number. The payload gets what a login would
// give it.
func TestLookUpAccount(t *testing.T) {
	if got, err := lookUpAccount(""); err != nil || got.credential != nil || got.env != nil {
		t.Errorf("no user: %+v, %v, want the caller", got, err)
	}
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{self.Username, self.Uid} {
		got, err := lookUpAccount(name)
		want := []string{"HOME=" + self.HomeDir, "USER=" + self.Username, "LOGNAME=" + self.Username}
		if err != nil || got.credential != nil || !slices.Equal(got.env, want) {
			t.Errorf("%s, who runs this: %+v, %v, want no other credentials and %q", name, got, err, want)
		}
	}
	for _, name := range []string{"no-such-user", "4294967295", "-1"} {
		if _, err := lookUpAccount(name); err == nil || !strings.Contains(err.Error(), "no such user") {
			t.Errorf("%s: %v, want an error that says so", name, err)
		}
	}
	if os.Geteuid() != 0 {
		if _, err := lookUpAccount("root"); err == nil || !strings.Contains(err.Error(), "only root") {
			t.Errorf("root: %v, want an error that says who may", err)
		}
	}
}

// The payload and the question for its version run as the user, who can write to the
// scratch directory and open the streams by their names.
func TestPayloadRunsAsTheUser(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("only root can run a payload as another user, and this test wants the user nobody")
	}
	dir := t.TempDir()
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bench := filepath.Join(dir, "bench")
	script := `#!/bin/sh
[ "$1" = --version ] && { id -u; exit; }
echo mine >file && cat file && id -u && id -g && id -G && echo "$HOME $USER" && echo err >/dev/stderr && ls -ld . | cut -d' ' -f3
`
	if err := os.WriteFile(bench, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	p := payload.Payload{Name: "bench", Binary: bench, Dir: payload.DirScratch, User: "nobody",
		Needs: []payload.Need{{Binary: bench, VersionPattern: "([0-9]+)"}}}
	r, err := Run(t.Context(), Spec{Payload: p, Extractor: nothing, Scratch: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{"mine", nobody.Uid, nobody.Gid, nobody.Gid, nobody.HomeDir + " nobody", "nobody", ""}, "\n")
	got, errs := string(r.Streams[0].Data), string(r.Streams[1].Data)
	if got != want || errs != "err\n" {
		t.Errorf("printed %q and %q, want %q and err", got, errs, want)
	}
	if r.Record.Tool != nobody.Uid {
		t.Errorf("the version was asked by uid %q, want %s", r.Record.Tool, nobody.Uid)
	}
}

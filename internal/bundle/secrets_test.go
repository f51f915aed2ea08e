package bundle_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/internal/bundle"
)

// The payload prints its password on stderr, and the failed check of the exit code
// quotes the end of stderr. Only the raw output may contain the password.
func TestBundleHidesSecrets(t *testing.T) {
	root := t.TempDir()
	s := spec(create(t, root))
	s.Payload.Env = map[string]string{"DB_PASSWORD": "hunter-two", "MODE": "fast"}
	s.Payload.Args = []string{"-c", `echo "password is $DB_PASSWORD, mode is $MODE" >&2; exit 3`, "hunter-two"}
	r, err := core.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if want := "exit code 3: want 0; stderr ends with:\npassword is " + payload.Hidden + ", mode is fast"; len(r.Details) != 1 || r.Details[0].Message != want {
		t.Errorf("details %+v, want %q", r.Details, want)
	}
	err = filepath.WalkDir(r.Bundle, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if raw := d.Name() == "stderr"; strings.Contains(string(text), "hunter-two") != raw {
			t.Errorf("%s: has the password: %t, want %t, in\n%s", path, !raw, raw, text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	b, err := bundle.Load(r.Bundle)
	if err != nil || b.Payload.Env["DB_PASSWORD"] != payload.Hidden || b.Payload.Env["MODE"] != "fast" {
		t.Errorf("payload %+v, %v", b.Payload, err)
	}
}

package payload_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/payload"
)

func TestLoadDirRefusesWhatOthersCanWrite(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const good = "summary: x\nbinary: x\n"
	write("b.yaml", good, 0o644)
	write("a.yaml", good, 0o600)
	write(".hidden.yaml", "nonsense", 0o600)
	write("README", "nonsense", 0o600)
	payloads, err := payload.LoadDir(dir)
	if err != nil || len(payloads) != 2 || payloads[0].Name != "a" || payloads[1].Source != filepath.Join(dir, "b.yaml") {
		t.Fatalf("got %v, %v", payloads, err)
	}
	refused := func(want string) {
		t.Helper()
		if _, err := payload.LoadDir(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	first := write("aa.yaml", "nme: x\n", 0o600)
	second := write("z.yml", good, 0o600)
	payloads, err = payload.LoadDir(dir)
	var files payload.FileErrors
	if !errors.As(err, &files) || len(files) != 2 || files[0].Path != first || files[1].Path != second || len(payloads) != 2 ||
		!strings.Contains(err.Error(), first+":1:1") || !strings.Contains(err.Error(), "want .yaml") {
		t.Errorf("two broken files beside two good ones: got %v, %v", payloads, err)
	}
	os.Remove(first)
	os.Remove(second)
	path := write("bom.yaml", "\ufeff"+good, 0o600)
	if p, err := payload.LoadFile(path); err != nil || p.Name != "bom" || !strings.HasPrefix(string(p.Raw), "\ufeff") {
		t.Errorf("behind a byte order mark: got %+v, %v", p, err)
	}
	os.Remove(path)
	path = write("c.yaml", good, 0o664)
	refused("payloads at " + path + ": others can write it (mode 0664)")
	os.Chmod(path, 0o602)
	refused("(mode 0602)")
	os.Remove(path)
	path = write("c.yml", good, 0o600)
	refused("the name ends in .yml: want .yaml")
	os.Remove(path)
	path = filepath.Join(dir, "d.yaml")
	os.Mkdir(path, 0o700)
	refused("d.yaml: a directory: want a regular file")
	os.Remove(path)
	path = write("e.yaml", "nme: x\n", 0o600)
	refused(path + `:1:1: key "nme"`)
	os.Remove(path)
	os.Chmod(dir, 0o770)
	refused("payloads at " + dir + ": others can write it (mode 0770)")
	os.Chmod(dir, 0o700)
	spaced := filepath.Join(dir, "ci job")
	os.Mkdir(spaced, 0o700)
	os.Chmod(spaced, 0o722)
	if _, err := payload.LoadDir(spaced); err == nil || !strings.HasSuffix(err.Error(), ": chmod go-w '"+spaced+"'") {
		t.Errorf("a directory with a space in its name: %v", err)
	}
	os.Remove(spaced)
	if os.Geteuid() == 0 {
		os.Chown(dir, 12345, -1)
		refused("it belongs to uid 12345")
		os.Chown(dir, 0, -1)
	}
	inner := filepath.Join(dir, "inner")
	os.Mkdir(inner, 0o700)
	os.Chmod(dir, 0o777)
	if _, err := payload.LoadDir(inner); err == nil || !strings.Contains(err.Error(), dir+": others can write it") {
		t.Errorf("a directory below one that others can write: %v", err)
	}
	if _, err := payload.LoadDir(filepath.Join(inner, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

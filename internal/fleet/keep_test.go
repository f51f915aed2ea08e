package fleet

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

const bundleName = "20260102T030405Z-x-0123abcd"

// archive returns a tar, as a hostile host would.
func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		text := []byte("text")
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(text))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			w.Write(text)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpackAcceptsOnlyFilesOfBundles(t *testing.T) {
	for _, h := range []tar.Header{
		{Name: "../" + bundleName + "/record.json", Typeflag: tar.TypeReg},
		{Name: bundleName + "/../../record.json", Typeflag: tar.TypeReg},
		{Name: "/tmp/" + bundleName, Typeflag: tar.TypeReg},
		{Name: bundleName + "/a/b/c", Typeflag: tar.TypeReg},
		{Name: bundleName, Typeflag: tar.TypeReg},
		{Name: ".tags/main/" + bundleName, Typeflag: tar.TypeReg},
		{Name: bundleName + "/record.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		{Name: bundleName + "/record.json", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
		{Name: bundleName + "/stdout", Typeflag: tar.TypeFifo},
		{Name: bundleName + "/stdout", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5},
		{Name: bundleName + "/files", Typeflag: tar.TypeDir},
	} {
		above := t.TempDir()
		dir := filepath.Join(above, "staging")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := unpack(dir, bytes.NewReader(archive(t, h)))
		if !errors.As(err, new(*refusedError)) {
			t.Errorf("%s of type %c: got %v, want that it is refused", h.Name, h.Typeflag, err)
		}
		if found, _ := filepath.Glob(filepath.Join(above, "*")); len(found) != 1 {
			t.Errorf("%s: wrote %v", h.Name, found)
		}
	}
}

// A tar of 10 KiB can have a file of 1 TiB that is one hole.
func TestUnpackRefusesSparseFiles(t *testing.T) { // C47
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, bundleName), 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, bundleName, "stdout")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"--format=gnu", "--format=pax", "--sparse-version=0.0", "--sparse-version=0.1"} {
		text, err := exec.Command("tar", "-C", dir, "--sparse", format, "-c", bundleName+"/stdout").Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unpack(t.TempDir(), bytes.NewReader(text)); !errors.As(err, new(*refusedError)) {
			t.Errorf("%s: got %v, want that it is refused", format, err)
		}
	}
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) tar.Header { return tar.Header{Name: bundleName + "/" + name, Typeflag: tar.TypeReg} }
	names, err := unpack(dir, bytes.NewReader(archive(t, file("record.json"), file("files/json"))))
	if err != nil || len(names) != 1 || names[0] != bundleName {
		t.Fatalf("got %v, %v; want %s", names, err, bundleName)
	}
	if text, err := os.ReadFile(filepath.Join(dir, bundleName, "files", "json")); string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := unpack(dir, bytes.NewReader(archive(t, file("record.json")))); err == nil {
		t.Error("a second file of the same name was accepted")
	}
	_, err = unpack(t.TempDir(), io.MultiReader(bytes.NewReader(archive(t, file("record.json"))[:700]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, new(*refusedError)) {
		t.Errorf("of a cut connection: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestMessagesHaveLimits(t *testing.T) {
	for name, text := range map[string]string{
		"garbage":           "Last login: Mon Nov 30 10:00:00 2026\n",
		"a huge message":    "M\xff\xff\xff\xff",
		"no JSON":           "M\x00\x00\x00\x01x",
		"data, not message": "D\x00\x00\x00\x01x",
	} {
		if _, err := (receiver{strings.NewReader(text)}).receive(); !errors.Is(err, errProtocol) {
			t.Errorf("%s: got %v, want %v", name, err, errProtocol)
		}
	}
	if _, err := io.ReadAll((receiver{strings.NewReader("D\x00\xff\xff\xff")}).data()); !errors.Is(err, errProtocol) {
		t.Errorf("a huge piece of data: got %v, want %v", err, errProtocol)
	}
	if _, err := io.ReadAll((receiver{strings.NewReader("D\x00\x00\x00\x05abc")}).data()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut data: got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

// Data of any size arrives whole, between two messages.
func TestDataArrivesWhole(t *testing.T) {
	var wire bytes.Buffer
	want := strings.Repeat("0123456789", maxData/4)
	s := &sender{w: &wire}
	err := errors.Join(
		s.data(message{Runs: true}, func(w io.Writer) error { _, err := io.WriteString(w, want); return err }),
		s.send(message{Exit: &exit{Status: 3}}))
	if err != nil {
		t.Fatal(err)
	}
	r := receiver{&wire}
	if m, err := r.receive(); err != nil || !m.Runs {
		t.Fatalf("got %v, %v", m, err)
	}
	if got, err := io.ReadAll(r.data()); err != nil || string(got) != want {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
	}
	if m, err := r.receive(); err != nil || m.Exit == nil || m.Exit.Status != 3 {
		t.Errorf("got %v, %v; want the exit", m, err)
	}
}

func TestRequestInAScript(t *testing.T) {
	script := "#!/bin/sh\n" + RequestMark + "{\"set\":\"old\"}\nexec x\n" + RequestMark + `{"set":"s"}` + "\n"
	for _, text := range []string{script, `{"set":"s"}`} {
		if got := string(requestLine([]byte(text))); got != `{"set":"s"}` {
			t.Errorf("got %q", got)
		}
	}
}

// A kit has only files with the content that their names say.
func TestKitChecksContent(t *testing.T) {
	kit := filepath.Join(t.TempDir(), "kit")
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"texT", "tex", "text and more"} {
		if err := put(kit, f, strings.NewReader(wrong)); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
	if need, err := missing(kit, []File{f}); err != nil || len(need) != 1 {
		t.Errorf("got %v, %v; want that the file is missing", need, err)
	}
	if err := put(kit, f, strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	if need, err := missing(kit, []File{f}); err != nil || len(need) != 0 {
		t.Errorf("got %v, %v; want that nothing is missing", need, err)
	}
	if err := os.WriteFile(filepath.Join(kit, f.SHA256), []byte("other"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := missing(kit, []File{f}); err == nil {
		t.Error("a file that was changed in the kit was accepted")
	}
}

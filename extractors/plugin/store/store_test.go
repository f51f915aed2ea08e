package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors/plugin"
	"github.com/ktstr/ktstr/extractors/plugin/internal/testkit"
	"golang.org/x/sys/unix"
)

func install(t *testing.T, s Store, path string) Locked {
	t.Helper()
	l, _, err := s.Install(context.Background(), plugin.Config{Path: path, Launcher: []string{"_launch"}, DescribeTimeout: time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			all = append(all, rel)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := Store{filepath.Join(t.TempDir(), "plugins")}
	if l, err := s.Installed(); err != nil || len(l.Plugins) != 0 {
		t.Fatalf("a store that is not there: got %+v, %v", l, err)
	}
	if _, err := s.Remove("echo"); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("remove from no store: got %v", err)
	}
	echo := install(t, s, testkit.Executable(t, "echo"))
	if echo.Description.Name != "echo" || echo.Interface != plugin.GRPC || !isHash(echo.SHA256[Platform]) {
		t.Errorf("got %+v", echo)
	}
	v1 := install(t, s, testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine))
	again := install(t, s, testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine))
	if !reflect.DeepEqual(v1, again) {
		t.Errorf("installed again: got %+v, want %+v", again, v1)
	}
	v2 := install(t, s, testkit.Script(t, "#!/bin/sh\n"+strings.ReplaceAll(testkit.DescribeLine, "1.0", "2.0")+`echo '{"metric": "m", "value": 1}'`))

	l, err := s.Installed()
	if err != nil || !reflect.DeepEqual(l.Plugins, []Locked{echo, v2}) {
		t.Fatalf("got %+v, %v", l, err)
	}
	want := []string{
		"echo", "echo/1.0.0", "echo/1.0.0/" + echo.SHA256[Platform], "echo/1.0.0/" + echo.SHA256[Platform] + "/ktstr-plugin-echo",
		"ktstr.lock",
		"script", "script/2.0", "script/2.0/" + v2.SHA256[Platform], "script/2.0/" + v2.SHA256[Platform] + "/ktstr-plugin-script",
	}
	if got := files(t, s.Dir); !reflect.DeepEqual(got, want) {
		t.Errorf("files: got %q, want %q", got, want)
	}
	c := s.Config(v2)
	c.Launcher, c.DescribeTimeout = []string{"_launch"}, time.Minute
	p, err := plugin.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if x, err := p.Extract(context.Background(), ktstr.Output{}); err != nil || len(x.Metrics) != 1 {
		t.Errorf("installed script: got %+v, %v", x, err)
	}

	if _, err := s.Remove("script"); err != nil {
		t.Fatal(err)
	}
	if got := files(t, s.Dir); !reflect.DeepEqual(got, want[:5]) {
		t.Errorf("files after remove: got %q, want %q", got, want[:5])
	}
}

func TestInstallFails(t *testing.T) {
	t.Parallel()
	s := Store{filepath.Join(t.TempDir(), "plugins")}
	good := testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine)
	for _, c := range []struct {
		config plugin.Config
		verify func(context.Context, ktstr.Description, string) error
		want   string
	}{
		{plugin.Config{Path: testkit.Script(t, "#!/bin/sh\nexit 1")}, nil, "exit status 1"},
		{plugin.Config{Path: "/nonexistent"}, nil, "no such file"},
		{plugin.Config{Path: good}, func(context.Context, ktstr.Description, string) error { return errors.New("loses its headline") }, "loses its headline"},
		{plugin.Config{Path: good, SHA256: strings.Repeat("0", 64)}, nil, "want 000"},
	} {
		if _, _, err := s.Install(context.Background(), c.config, c.verify); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want an error with %q", c.config, err, c.want)
		}
	}
	if got := files(t, s.Dir); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

// An installed plugin runs although it comes from a filesystem that executes
// nothing.
func TestInstallFromNoExec(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("ktstr-test", dir, "tmpfs", unix.MS_NOEXEC, "size=1m,mode=755"); errors.Is(err, fs.ErrPermission) {
		t.Skip("only root may mount what this needs")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path := filepath.Join(dir, "ktstr-plugin-script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+testkit.DescribeLine), 0o755); err != nil {
		t.Fatal(err)
	}
	install(t, Store{filepath.Join(t.TempDir(), "plugins")}, path)
}

// Of what an install replaces it tells, whatever the version says.
func TestInstallTellsWhatItReplaces(t *testing.T) {
	t.Parallel()
	s := Store{filepath.Join(t.TempDir(), "plugins")}
	first := "#!/bin/sh\n" + testkit.DescribeLine
	var last Locked
	for _, c := range []struct {
		text     string
		replaces bool
	}{
		{first, false},
		{first, false},
		{first + "# another build\n", true},
		{strings.ReplaceAll(first, "1.0", "2.0"), true},
		{first, true},
	} {
		now, old, err := s.Install(context.Background(), plugin.Config{Path: testkit.Script(t, c.text), Launcher: []string{"_launch"}, DescribeTimeout: time.Minute}, nil)
		if err != nil || (old != nil) != c.replaces || old != nil && !reflect.DeepEqual(*old, last) {
			t.Errorf("got %+v, %v; want %+v: %t", old, err, last, c.replaces)
		}
		last = now
	}
	if got := files(t, s.Dir); len(got) != 5 { // the lock, and one build's file below three directories
		t.Errorf("files: %q", got)
	}
}

// What a killed install left is deleted by the next change of the store.
func TestKilledInstall(t *testing.T) {
	t.Parallel()
	s := Store{t.TempDir()}
	leave := func() {
		t.Helper()
		err := errors.Join(os.Mkdir(filepath.Join(s.Dir, ".install-1"), 0o755), os.WriteFile(filepath.Join(s.Dir, ".install-1", "x"), nil, 0o600),
			os.WriteFile(filepath.Join(s.Dir, ".ktstr-lock-1"), nil, 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(s.Dir, ".install-link")); err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		if got := files(t, s.Dir); !reflect.DeepEqual(got, want) {
			t.Errorf("files: got %q, want %q", got, want)
		}
	}
	leave()
	p := install(t, s, testkit.Script(t, "#!/bin/sh\n"+testkit.DescribeLine))
	build := "script/1.0/" + p.SHA256[Platform]
	check(".install-link", "ktstr.lock", "script", "script/1.0", build, build+"/ktstr-plugin-script")
	leave()
	if _, err := s.Remove("script"); err != nil {
		t.Fatal(err)
	}
	check(".install-link", "ktstr.lock")
}

// A file that is not the installed one any more is not executed.
func TestChangedFileIsRefused(t *testing.T) {
	t.Parallel()
	text := "#!/bin/sh\n" + testkit.DescribeLine
	s := Store{filepath.Join(t.TempDir(), "plugins")}
	p := install(t, s, testkit.Script(t, text))
	path := s.path(p)
	if err := errors.Join(os.Chmod(path, 0o755), os.WriteFile(path, []byte(text+"# more\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	_, err := plugin.Start(context.Background(), s.Config(p))
	var e *plugin.Error
	if !errors.As(err, &e) || e.Fault != plugin.Refused || !strings.Contains(e.Error(), "it was changed") {
		t.Errorf("got %v, want it refused", err)
	}
}

// A version that was edited in the lock is detected, although the file is the
// locked one.
func TestEditedVersionInLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := Store{filepath.Join(dir, "plugins")}
	text := "#!/bin/sh\n" + testkit.DescribeLine
	path := testkit.Script(t, text)
	p := install(t, s, path)
	var l Lock
	edited := p
	edited.Description.Version = "9.0"
	l.Put(edited)
	lock := filepath.Join(dir, LockFile)
	if err := l.Write(lock); err != nil {
		t.Fatal(err)
	}
	installed := s.Config(p)
	if err := Restrict(&installed, lock); err == nil || !strings.Contains(err.Error(), `its version is "1.0": `+lock+` says "9.0" of the same file`) {
		t.Errorf("installed: got %v", err)
	}
	named := plugin.Config{Name: "script", Path: path, DescribeTimeout: time.Minute}
	if err := Restrict(&named, lock); err != nil {
		t.Fatal(err)
	}
	_, err := plugin.Start(context.Background(), named)
	if err == nil || !strings.Contains(err.Error(), `the plugin has version "1.0": the lock says "9.0"`) {
		t.Errorf("named: got %v", err)
	}
}

// A lock may be any file of a foreign project.
func TestReadLockLimits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), LockFile)
	if err := errors.Join(os.WriteFile(path, []byte("{"), 0o644), os.Truncate(path, 20<<30)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLock(path); err == nil || !strings.Contains(err.Error(), "it has more than 16 MiB: remove it and run `ktstr plugin lock`") {
		t.Errorf("20 GiB: got %v", err)
	}
	if err := errors.Join(os.Remove(path), os.Symlink("/nowhere/ktstr.lock", path)); err != nil {
		t.Fatal(err)
	}
	_, err := ReadLock(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path+": it is a symbolic link to /nowhere/ktstr.lock, which does not exist: remove it and run `ktstr plugin lock`") {
		t.Errorf("a dangling link: got %v", err)
	}
	if _, err := (Store{filepath.Dir(path)}).Installed(); err == nil || !strings.Contains(err.Error(), "which does not exist: remove it and install the plugins again") {
		t.Errorf("a dangling link in the store: got %v", err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, LockFile)
	hash := strings.Repeat("ab", 32)
	d := ktstr.Description{
		Name: "x", Version: "1.0", Hints: []ktstr.Hint{{Name: "a", Unit: "us", Polarity: ktstr.Lower}},
		Payloads: []ktstr.PayloadFile{{Name: "x-cpu", YAML: []byte("name: x-cpu\n")}},
	}
	var l Lock
	l.Put(Locked{Description: d, Interface: plugin.Script, SHA256: map[string]string{Platform: hash}})
	d.Name, d.Payloads = "a", nil
	l.Put(Locked{Description: d, Interface: plugin.GRPC, SHA256: map[string]string{"plan9/mips": hash}})
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLock(path)
	if err != nil || !reflect.DeepEqual(got, l) || got.Plugins[0].Description.Name != "a" {
		t.Fatalf("got %+v, %v; want %+v", got, err, l)
	}
	got.Merge(Locked{Description: d, Interface: plugin.GRPC, SHA256: map[string]string{Platform: hash}})
	if a, _ := got.Find("a"); len(a.SHA256) != 2 {
		t.Errorf("merge of another platform: got %+v", a)
	}
	d.Version = "1.1"
	got.Merge(Locked{Description: d, Interface: plugin.GRPC, SHA256: map[string]string{Platform: hash}})
	if a, _ := got.Find("a"); len(a.SHA256) != 1 {
		t.Errorf("merge of another version: got %+v", a)
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}

	for _, c := range []struct {
		config plugin.Config
		want   string // of the error; empty: none
		hash   string
	}{
		{plugin.Config{Name: "x", Path: "/p"}, "", hash},
		{plugin.Config{Name: "x", Path: "/p", SHA256: hash}, "", hash},
		{plugin.Config{Name: "x", Path: "/p", SHA256: strings.Repeat("0", 64)}, "its SHA-256 is 0000", ""},
		{plugin.Config{Name: "a", Path: "/p"}, "not for " + Platform, ""},
		{plugin.Config{Name: "other", Path: "/p"}, `has no plugin other`, ""},
		{plugin.Config{Name: "fio", Self: []string{"_plugin", "fio"}}, "", ""},
	} {
		err := Restrict(&c.config, path)
		if c.want == "" && (err != nil || c.config.SHA256 != c.hash) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: got %v, want %q", c.config, err, c.want)
		}
	}
	c := plugin.Config{Name: "other", Path: "/p"}
	if err := Restrict(&c, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock that is gone, or a link to nothing, restricts nothing: got %v", err)
	}

	for _, c := range []struct{ text, want string }{
		{`{}`, `it names no schema: want "ktstr.lock/v1": remove it and run ` + "`ktstr plugin lock` in " + dir + " again"},
		{`{"schema": "ktstr.lock/v2"}`, `schema "ktstr.lock/v2": want "ktstr.lock/v1", or the version of ktstr that wrote this`},
		{`{"schema": "ktstr.lock/v1", "extra": 1}`, "extra"},
		{`nonsense`, "this is no lock as ktstr writes it"},
		{`{"schema": "ktstr.lock/v1", "plugins": [{"name": "x", "version": "1", "description": {"name": "y", "version": "1"}}]}`, `says "y" "1"`},
		{`{"schema": "ktstr.lock/v1", "plugins": [{"name": "x", "version": "1", "sha256": {"a/b": "12"}, "description": {"name": "x", "version": "1"}}]}`, "64 hexadecimal digits"},
		{`{"schema": "ktstr.lock/v1", "plugins": [{"name": "../x", "version": "1", "description": {"name": "../x", "version": "1"}}]}`, "lower-case"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := ReadLock(path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.text, err, c.want)
		}
		if newer := strings.Contains(c.text, "v2"); err != nil && strings.Contains(err.Error(), "remove it") == newer {
			t.Errorf("%s: got %v", c.text, err)
		}
		if _, err := (Store{dir}).Installed(); !strings.Contains(c.text, "v2") && (err == nil || !strings.HasSuffix(err.Error(), ": remove it and install the plugins again")) {
			t.Errorf("%s: in the store: got %v", c.text, err)
		}
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := Store{filepath.Join(t.TempDir(), "plugins")}
	text := "#!/bin/sh\n" + testkit.DescribeLine
	p := install(t, s, testkit.Script(t, text))
	dir := t.TempDir()
	for _, name := range []string{"ktstr-plugin-script", "ktstr-plugin-b", "ktstr-plugin-Bad", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho executed >>"+dir+"/trace\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ktstr-plugin-text"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	named := testkit.Script(t, text)
	search := Search{Named: []plugin.Config{{Name: "script", Path: named}}, Store: s, Path: "/nonexistent::" + dir}
	all, err := search.Candidates()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		line := c.Config.Name + " " + c.From
		if c.Description != nil {
			line += " " + c.Description.Version
		}
		if c.Err != nil {
			line += " refused"
		}
		got = append(got, line)
	}
	want := []string{"script --plugin", "script installed 1.0", "b KTSTR_PLUGIN_PATH", "script KTSTR_PLUGIN_PATH", "text KTSTR_PLUGIN_PATH refused"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if c, ok, err := search.Find("script"); err != nil || !ok || c.Config.Path != named {
		t.Errorf("got %+v, %v, %v", c, ok, err)
	}
	search.Named = nil
	if c, ok, err := search.Find("script"); err != nil || !ok || c.Config.SHA256 != p.SHA256[Platform] {
		t.Errorf("got %+v, %v, %v", c, ok, err)
	}
	if _, ok, _ := search.Find("none"); ok {
		t.Error("none was found")
	}
	if _, err := os.Stat(dir + "/trace"); err == nil {
		t.Error("a search executed what it found")
	}
	for _, bad := range []Search{{Store: s, Path: "plugins"}, {Store: s, Named: []plugin.Config{{Name: "A/b", Path: named}}}} {
		if _, err := bad.Candidates(); err == nil {
			t.Errorf("%+v: want an error", bad)
		}
	}
}

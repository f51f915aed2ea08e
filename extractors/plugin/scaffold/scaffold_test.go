package scaffold

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/plugin/verify"
	"github.com/ktstr/ktstr/internal/testenv"
)

func run(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = testenv.GoEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// What is written compiles unedited, also in a path that needs quotes. TestWalk in examples runs its tests.
func TestGo(t *testing.T) {
	t.Parallel()
	sources, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	// Paths hold what people name their directories.
	checkout := filepath.Join(t.TempDir(), `kt str, "mine" (1)`)
	if err := os.Symlink(sources, checkout); err != nil {
		t.Fatal(err)
	}
	dir, files, err := Write(Plugin{Name: "my-bench", Lang: "go", Dir: filepath.Join(t.TempDir(), "my plug"), Checkout: checkout})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".github/workflows/test.yml", ".gitignore", "README.md", "corpus/sample/extract.json", "corpus/sample/meta.json",
		"corpus/sample/stdout", "go.mod", "main.go", "main_test.go", "payloads/my-bench.yaml"}
	if !slices.Equal(files, want) {
		t.Errorf("files %v, want %v", files, want)
	}
	if out := run(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("gofmt would change %s", out)
	}
	run(t, dir, "go", "mod", "tidy")
	run(t, dir, "go", "vet", "./...")
	if _, err := payload.LoadFile(filepath.Join(dir, "payloads", "my-bench.yaml")); err != nil {
		t.Error(err)
	}
}

// What is written gives the metrics of its sample. The testscript plugin_new runs the other checks.
func TestScript(t *testing.T) {
	t.Parallel()
	dir, _, err := Write(Plugin{Name: "mybench", Lang: "script", Dir: filepath.Join(t.TempDir(), "deep", "p")})
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Run(t.Context(), verify.Config{Path: filepath.Join(dir, "ktstr-plugin-mybench"), Corpus: filepath.Join(dir, "corpus"), Only: []string{"describe", "golden"}})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() {
		var b bytes.Buffer
		report.Print(&b)
		t.Errorf("%s", b.Bytes())
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	there := t.TempDir()
	for _, c := range []struct {
		p    Plugin
		want string
	}{
		{Plugin{Name: "My", Lang: "go"}, "want a lower-case letter"},
		{Plugin{Name: "", Lang: "go"}, "want a lower-case letter"},
		{Plugin{Name: "../x", Lang: "go"}, "want a lower-case letter"},
		{Plugin{Name: "fio", Lang: "go", Reserved: []string{"json", "fio"}}, "want another name"},
		{Plugin{Name: "x", Lang: "cobol"}, "want one of go, script"},
		{Plugin{Name: "x", Lang: "go"}, "--checkout"},
		{Plugin{Name: "x", Lang: "go", Checkout: there}, "want the directory of ktstr's sources"},
		{Plugin{Name: "x", Lang: "script", Dir: there}, "is there already"},
	} {
		if _, _, err := Write(c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.p, err, c.want)
		}
	}
	if left, _ := filepath.Glob("*ktstr-plugin-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

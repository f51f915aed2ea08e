package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A reader of docs/table-plugins.md writes the files of the page, runs its commands, and has a table plugin for mbw. This mbw
// prints a capture of the real one. C44
func TestWalkOfTablePlugins(t *testing.T) {
	t.Parallel()
	const page = "../docs/table-plugins.md"
	s := newStranger(t)
	capture, err := filepath.Abs("testdata/mbw")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.home, "bin", "mbw"), []byte("#!/bin/sh\nexec cat '"+capture+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocksOf(t, page) {
		if _, file, ok := strings.Cut(b.info, " "); ok {
			if lines := strings.Count(b.text, "\n"); lines > 8 {
				t.Errorf("%s:%d: a table of %d lines: want at most 8", page, b.line, lines)
			}
			if err := os.WriteFile(filepath.Join(s.home, "work", file), []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			command, shown, _ := strings.Cut(step, "\n")
			got := s.do(t, command)
			for line := range strings.Lines(shown) {
				if !strings.Contains(got, strings.TrimSpace(line)) {
					t.Errorf("%s:%d: $ %s\nprints\n%s\nthe page says\n%s", page, b.line, command, got, line)
				}
			}
		}
	}

	// Every figure of mbw's averages, independent of the page.
	out := s.do(t, "ktstr extract mbw --stdout corpus/default/stdout -o json")
	for _, want := range []string{
		`"name":"memcpy.bw","value":12555.585,"unit":"MiB/s","polarity":"higher"`,
		`"name":"memcpy.time","value":0.00127,"unit":"s","polarity":"lower"`,
		`"name":"dumb.bw"`, `"name":"mcblock.bw","value":23065.834`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	// The other table of the page.
	if err := os.WriteFile(filepath.Join(s.home, "work", "h.json"), []byte(`{"results":[{"command":"sleep 1","mean":1.5,"times":[1,2]}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	out = s.do(t, "ktstr extract hyperfine --plugin hyperfine=hyperfine.ktstr.yaml --stdout h.json -o json")
	if !strings.Contains(out, `"name":"sleep_1.mean","value":1.5,"unit":"s"`) || !strings.Contains(out, `"name":"sleep_1.run.2","value":2`) {
		t.Errorf("hyperfine: %s", out)
	}
}

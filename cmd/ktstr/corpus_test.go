package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
)

// C29: a plugin process extracts the same from every capture as the parser does in process. The golden file next to the
// capture has the expected result, and the tests of the parser compare with the same file.
func TestPluginsAgreeWithTheirParsers(t *testing.T) {
	const plugins = "../../plugins/"
	for _, c := range []struct{ name, plugin, corpus string }{
		{"fio", "", plugins + "fio/testdata"},
		{"fio", pluginFio(t), plugins + "fio/testdata"},
		{"schbench", "", plugins + "schbench/testdata/corpus"},
		{"stressng", "", plugins + "stressng/testdata/corpus"},
	} {
		t.Run(c.name+filepath.Base(c.plugin), func(t *testing.T) {
			a := &app{stderr: new(bytes.Buffer)}
			if c.plugin != "" {
				a.plugins = []string{c.name + "=" + c.plugin}
			}
			x, err := a.catalog(true).Start(t.Context(), c.name)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			if x.Plugin == nil {
				t.Fatal("the extractor is in this process: want a plugin")
			}
			goldens, err := filepath.Glob(filepath.Join(c.corpus, "*", "extract.json"))
			if err != nil || len(goldens) < 20 {
				t.Fatalf("%d captures, %v", len(goldens), err)
			}
			for _, golden := range goldens {
				text, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				var want bytes.Buffer // some are indented, for reviews
				if err := json.Compact(&want, text); err != nil {
					t.Fatalf("%s: %v", golden, err)
				}
				got := extract.Run(t.Context(), x, saved(t, filepath.Dir(golden)), nil).AppendJSON(nil)
				if !bytes.Equal(got, bytes.TrimSpace(want.Bytes())) {
					t.Errorf("%s: the plugin gives %.400s", golden, got)
				}
			}
		})
	}
}

// saved returns the streams of the capture in dir.
func saved(t testing.TB, dir string) []ktstr.Output {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "file-*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	var streams []ktstr.Output
	for _, path := range append([]string{filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")}, files...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		stream := ktstr.Stream(filepath.Base(path))
		if name, ok := strings.CutPrefix(string(stream), "file-"); ok {
			stream = ktstr.FileStream(name)
		}
		streams = append(streams, ktstr.Output{Stream: stream, Data: data})
	}
	return streams
}

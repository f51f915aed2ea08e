package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/sdk/plugintest"
)

var update = flag.Bool("update", false, "write the parser's answers to corpus/*/extract.json")

func TestPlugin(t *testing.T) {
	plugintest.Run(t, plugintest.Config{Extractor: sysbench(), Corpus: "corpus", Update: *update})
}

func FuzzParse(f *testing.F) {
	captures, err := filepath.Glob("corpus/*/stdout")
	if err != nil || len(captures) == 0 {
		f.Fatal("no captures in corpus/", err)
	}
	for _, path := range captures {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	x := sysbench()
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := plugintest.Sound(x, ktstr.Output{Stream: ktstr.Stdout, Data: data}); err != nil {
			t.Error(err)
		}
	})
}

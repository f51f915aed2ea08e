package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every flag of every command either is repeatable, and its help says so, or fails if it
// is given twice.
func TestFlagGivenTwice(t *testing.T) {
	values := map[string]string{
		"string": "x", "bool": "true", "int": "1", "float64": "0.5", "duration": "1s",
		"FORMAT": "json", "SIZE": "1MiB", "PERCENT": "5%", "TIME": "14d", "WHICH": "last", "LIST": "cycles", "URL": "http://localhost",
		"place": "kubernetes:node1:job:set-1",
	}
	visited := map[*pflag.Flag]bool{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		check := func(f *pflag.Flag) {
			name := c.CommandPath() + " --" + f.Name
			if visited[f] {
				return
			}
			visited[f] = true
			if got, want := strings.HasSuffix(f.Usage, "repeatable)"), repeatable(f); got != want {
				t.Errorf("%s: repeatable in the help: %v, want %v", name, got, want)
			}
			if repeatable(f) {
				return
			}
			value, ok := values[f.Value.Type()]
			if !ok {
				t.Fatalf("%s: no example of a %s", name, f.Value.Type())
			}
			if err := f.Value.Set(value); err != nil {
				t.Errorf("%s %s: %v", name, value, err)
			}
			if err := f.Value.Set(value); err != errTwice {
				t.Errorf("%s %s, a second time: got %v, want %v", name, value, err, errTwice)
			}
		}
		c.Flags().VisitAll(check)
		c.PersistentFlags().VisitAll(check)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{stdout: io.Discard, stderr: io.Discard}).root())
	if len(visited) < 60 {
		t.Errorf("%d flags visited: want all of the command tree", len(visited))
	}
}

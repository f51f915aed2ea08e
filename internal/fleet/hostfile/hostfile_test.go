package hostfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/fleet/hostfile"
	"github.com/ktstr/ktstr/internal/strictyaml"
)

func TestParse(t *testing.T) { // C47
	got, err := hostfile.Parse("lab.yaml", []byte(`
engine: ssh
labels: {site: fra, cpu: milan}
hosts:
  - node1
  - name: root@10.0.0.7
    labels:
      cpu: genoa
      rack: 12
`))
	want := hostfile.File{Engine: "ssh", Hosts: []fleet.Handle{
		{Name: "node1", Labels: map[string]string{"site": "fra", "cpu": "milan"}},
		{Name: "root@10.0.0.7", Labels: map[string]string{"site": "fra", "cpu": "genoa", "rack": "12"}},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestParseErrorsGiveThePlace(t *testing.T) { // C47
	const head = "engine: ssh\n"
	for text, want := range map[string]string{
		"":                                      `lab.yaml: empty: want a list of hosts: engine, hosts, labels`,
		"hosts: [a]\n":                          `lab.yaml: engine: missing: want ssh or slurm`,
		head:                                    `lab.yaml: hosts: none: want a list of hosts, such as [node1, node2]`,
		head + "hosts: []\n":                    `lab.yaml:2:8: hosts: none: want a list of hosts, such as [node1, node2]`,
		head + "hosts: node1\n":                 `lab.yaml:2:8: hosts: "node1": want a list`,
		head + "hosts: [a, b, a]\n":             `lab.yaml:2:15: hosts[2]: a: there already: want each host once`,
		head + "hosts: ['a,b']\n":               `lab.yaml:2:9: hosts[0]: "a,b": want the name of a host, such as node1`,
		head + "hosts: [{name: \"a\\nb\"}]\n":   `lab.yaml:2:16: hosts[0]: "a\nb": want the name of a host, such as node1`,
		head + "hosts: [{labels: {a: b}}]\n":    `lab.yaml:2:9: hosts[0]: "": want the name of a host, such as node1`,
		head + "hosts: [a]\nlabel: {a: b}\n":    `lab.yaml:3:1: key "label": not known here: did you mean labels?`,
		head + "hosts: [a]\nlabels: {set: b}\n": `lab.yaml:3:15: labels.set: label set: ktstr sets it itself: want another name`,
		head + "hosts: [a]\nlabels: {a b: c}\n": `lab.yaml:3:15: labels.a b: label "a b": want a name of letters, digits, and . _ - within`,
		head + "hosts: [a]\nlabels: {a: ''}\n":  `lab.yaml:3:13: labels.a: label a: "": want a value of 1 to 1000 bytes on one line`,
		head + "hosts: [a]\nhosts: [b]\n":       `lab.yaml:3:1: not YAML: mapping key "hosts" already defined at [2:1]`,
	} {
		_, err := hostfile.Parse("lab.yaml", []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("of %q\ngot  %v\nwant %s", text, err, want)
		}
		if !errors.As(err, new(*strictyaml.SyntaxError)) {
			t.Errorf("of %q: %T: want a *SyntaxError", text, err)
		}
	}
	if _, err := hostfile.Parse("lab.yaml", make([]byte, 2<<20)); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a file of 2 MiB: %v", err)
	}
}

// The file decides where the payload runs.
func TestLoadRefusesAFileThatOthersCanWrite(t *testing.T) { // C47
	path := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(path, []byte("engine: ssh\nhosts: [a]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := hostfile.Load(path); err != nil || len(f.Hosts) != 1 {
		t.Fatalf("got %+v, %v: want one host", f, err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := hostfile.Load(path); err == nil || !strings.HasPrefix(err.Error(), "hosts at "+path+": others can write it (mode 0666)") {
		t.Errorf("a file that others can write: got %v", err)
	}
}

// The example of the page is a file that ktstr takes.
func TestExampleOfThePage(t *testing.T) { // C47
	page, err := os.ReadFile("../../../docs/ssh.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	f, err := hostfile.Parse("lab.yaml", []byte(example))
	if !ok || err != nil || len(f.Hosts) != 3 || f.Hosts[1].Labels["cpu"] != "genoa" || f.Hosts[2].Labels["site"] != "fra" {
		t.Errorf("got %+v, %v: want the hosts of the example, with labels", f, err)
	}
}

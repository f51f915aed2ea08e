package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

func example() Job {
	return Job{
		Name: "ktstr-20260102t030405z-0a1b2c", Set: "set-20260102T030405Z-0a1b2c", Image: "registry.example/bench:1",
		Claim: "ktstr-bundles", Nodes: 3, Args: []string{"noise"}, Grace: 5 * time.Second,
	}
}

// objects returns the objects of a manifest, as a reader of YAML sees them.
func objects(t *testing.T, manifest []byte) (list []map[string]any) {
	t.Helper()
	for d := yaml.NewDecoder(bytes.NewReader(manifest)); ; {
		var object map[string]any
		if err := d.Decode(&object); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, manifest)
		}
		text, err := json.Marshal(object) // all numbers get the type of JSON
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, decode(t, bytes.NewReader(text))...)
	}
}

func decode(t *testing.T, r io.Reader) (list []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(r); ; {
		var object map[string]any
		if err := d.Decode(&object); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, object)
	}
}

// at returns a value in an object by its keys, such as "spec/completions". A number selects an item of a list.
func at(object any, path string) any {
	for key := range strings.SplitSeq(path, "/") {
		switch o := object.(type) {
		case map[string]any:
			object = o[key]
		case []any:
			object = o[key[0]-'0']
		default:
			return nil
		}
	}
	return object
}

// Arguments that a careless writer of YAML, a reader of YAML 1.1 or Kubernetes changes.
var odd = []string{
	"yes", "on", "n", "null", "~", "1e3", "0x1f", "012", "1:30", "2026-01-02", ".inf", "", " ", "- a", "a: b", "a #b", "'", `"`, `\`, "%", "@", "`", "!!int 3", "*x", "&x", "{a}", "[b]",
	"two\nlines\n", "\ttab ", "é😀", "\u0085\u2028\ufeff\u009b\x7f\x1b[2J", "$(HOME)", "$$(HOME)", "$", "$$", "<>&",
}

// expanded is an argument after Kubernetes has replaced the variables.
func expanded(s string) string {
	return strings.NewReplacer("$$", "$", "$("+nodeVariable+")", "n7").Replace(s)
}

func TestManifest(t *testing.T) {
	j := example()
	j.Args = append([]string{"talk", "--"}, odd...)
	j.Payloads = map[string]string{"talk.yaml": "binary: /bin/echo\n\nargs: ['$(HOME)', \"\\t\"]\n  # odd \n", "b.yaml": "x"}
	j.Limit = 90*time.Second + 1
	manifest, err := j.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	list := objects(t, manifest)
	if len(list) != 2 {
		t.Fatalf("%d objects, want a ConfigMap and a Job\n%s", len(list), manifest)
	}
	config, job := list[0], list[1]
	for name, text := range j.Payloads {
		if got := at(config, "data/"+name); got != text {
			t.Errorf("payload file %s: %q, want %q", name, got, text)
		}
	}
	var args []string
	for _, arg := range at(job, "spec/template/spec/containers/0/args").([]any) {
		args = append(args, expanded(arg.(string)))
	}
	want := append([]string{
		"run", "--out=/bundles/ktstr-20260102t030405z-0a1b2c/n7",
		"--placed=kubernetes:n7:ktstr-20260102t030405z-0a1b2c:set-20260102T030405Z-0a1b2c", "--payload-dir=/etc/ktstr/payloads", "talk", "--",
	}, odd...)
	if !reflect.DeepEqual(args, want) {
		t.Errorf("arguments: got\n%q\nwant\n%q", args, want)
	}
	for path, want := range map[string]any{
		"kind":                          "Job",
		"spec/completionMode":           "Indexed",
		"spec/completions":              3.0,
		"spec/parallelism":              3.0,
		"spec/backoffLimitPerIndex":     0.0,
		"spec/template/metadata/labels": at(job, "metadata/labels"),
		"spec/template/spec/volumes/0/persistentVolumeClaim/claimName":                                             "ktstr-bundles",
		"spec/template/spec/restartPolicy":                                                                         "Never",
		"spec/template/spec/activeDeadlineSeconds":                                                                 691.0,
		"spec/template/spec/terminationGracePeriodSeconds":                                                         35.0,
		"spec/template/spec/containers/0/image":                                                                    "registry.example/bench:1",
		"spec/template/spec/containers/0/env/0/valueFrom/fieldRef/fieldPath":                                       "spec.nodeName",
		"spec/template/spec/containers/0/volumeMounts/0/mountPath":                                                 "/bundles",
		"spec/template/spec/containers/0/volumeMounts/1/mountPath":                                                 "/etc/ktstr/payloads/b.yaml",
		"spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey": "kubernetes.io/hostname",
	} {
		if got := at(job, path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	kubectl(t, manifest, list)
}

// kubectl reads the manifest, too, and must see the same. CI installs it.
func kubectl(t *testing.T, manifest []byte, want []map[string]any) {
	t.Helper()
	path, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("no kubectl: install kubernetes-client")
	}
	c := exec.Command(path, "label", "--local", "--dry-run=client", "-f", "-", "a=b", "-o", "json")
	c.Stdin = bytes.NewReader(manifest)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("kubectl: %v\n%s\n%s", err, &stderr, manifest)
	}
	got := decode(t, &stdout)
	for _, object := range got {
		delete(at(object, "metadata/labels").(map[string]any), "a")
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("kubectl reads\n%v\nwant\n%v", got, want)
	}
}

func TestManifestWithoutPayloadsAndLimit(t *testing.T) {
	manifest, err := example().Manifest()
	if err != nil {
		t.Fatal(err)
	}
	list := objects(t, manifest)
	if len(list) != 1 || strings.Contains(string(manifest), "payload") || strings.Contains(string(manifest), "activeDeadline") {
		t.Errorf("want a Job alone, without payload files and without a deadline:\n%s", manifest)
	}
}

func TestWrongJob(t *testing.T) {
	for want, change := range map[string]func(*Job){
		`image "": want a container image`:    func(j *Job) { j.Image = "" },
		`image "a b": want a container image`: func(j *Job) { j.Image = "a b" },
		`claim "A": want the name`:            func(j *Job) { j.Claim = "A" },
		`claim "a\nb": want the name`:         func(j *Job) { j.Claim = "a\nb" },
		`0 nodes: want 1 or more`:             func(j *Job) { j.Nodes = 0 },
		`argument "\xff": a manifest has`:     func(j *Job) { j.Args = []string{"\xff"} },
	} {
		j := example()
		change(&j)
		if _, err := j.Manifest(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s…", err, want)
		}
	}
}

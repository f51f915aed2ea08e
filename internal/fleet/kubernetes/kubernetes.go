// Package kubernetes writes the manifest of a Job that makes the runs of a command on the
// nodes of a Kubernetes cluster. It needs no cluster.
package kubernetes

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/ktstr/ktstr/internal/plainjson"
	printable "github.com/ktstr/ktstr/internal/text"
)

// Job describes the runs.
type Job struct {
	Name     string            // of the objects in the cluster, such as "ktstr-20260102t030405z-0a1b2c"
	Set      string            // the beginning of the names of the sets
	Image    string            // of the container, which has ktstr and the benchmark
	Claim    string            // name of the PersistentVolumeClaim for the bundles
	Nodes    int               // makes the runs on so many nodes
	Args     []string          // of `ktstr run`
	Payloads map[string]string // payload files by file name, searched first
	Limit    time.Duration     // the longest time that the runs on a node can take; 0: not known
	Grace    time.Duration     // between the request to stop and the kill
}

// Paths in the container.
const (
	bundlesDir  = "/bundles"
	payloadsDir = "/etc/ktstr/payloads"
)

// Placed is the flag of `ktstr run` by which a container tells ktstr its place. The value is
// KUBERNETES:NODE:JOB:SET.
const Placed = "placed"

// nodeVariable has the name of the node in the container.
const nodeVariable = "KTSTR_NODE"

// objectName matches the names of objects in a cluster (RFC 1123).
var objectName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`) })

// Manifest returns the Job as YAML, after a ConfigMap with the payload files if there are
// any.
//
// A node has one pod of ktstr at a time, also of other Jobs. A pod that fails is not made
// again, and the others go on.
func (j Job) Manifest() ([]byte, error) {
	switch {
	case j.Image == "" || strings.ContainsAny(j.Image, " \t\n"):
		return nil, fmt.Errorf("image %q: want a container image that has ktstr and the benchmark, such as registry.example/bench:1", j.Image)
	case !objectName().MatchString(j.Claim):
		return nil, fmt.Errorf("claim %q: want the name of a PersistentVolumeClaim: lower-case letters, digits, . and - within", j.Claim)
	case j.Nodes < 1:
		return nil, fmt.Errorf("%d nodes: want 1 or more", j.Nodes)
	}
	for _, arg := range j.Args {
		if !utf8.ValidString(arg) {
			return nil, fmt.Errorf("argument %q: a manifest has only text: want UTF-8", arg)
		}
	}
	var documents [][]byte
	add := func(object yaml.MapSlice) error {
		text, err := yaml.MarshalWithOptions(object, yaml.IndentSequence(true))
		documents = append(documents, text)
		return err
	}
	if len(j.Payloads) > 0 {
		if err := add(j.payloads()); err != nil {
			return nil, err
		}
	}
	if err := add(j.job()); err != nil {
		return nil, err
	}
	return bytes.Join(documents, []byte("---\n")), nil
}

// payloads returns the ConfigMap.
func (j Job) payloads() yaml.MapSlice {
	data := map[string]text{}
	for name, content := range j.Payloads {
		data[name] = text(content)
	}
	return yaml.MapSlice{
		{Key: "apiVersion", Value: "v1"},
		{Key: "kind", Value: "ConfigMap"},
		{Key: "metadata", Value: yaml.MapSlice{{Key: "name", Value: j.Name}, {Key: "labels", Value: j.labels()}}},
		{Key: "immutable", Value: true},
		{Key: "data", Value: data},
	}
}

// job returns the Job.
func (j Job) job() yaml.MapSlice {
	var args []text
	for _, arg := range j.arguments() {
		args = append(args, text(arg))
	}
	mounts := []yaml.MapSlice{{{Key: "name", Value: "bundles"}, {Key: "mountPath", Value: bundlesDir}}}
	volumes := []yaml.MapSlice{{{Key: "name", Value: "bundles"}, {Key: "persistentVolumeClaim", Value: yaml.MapSlice{{Key: "claimName", Value: text(j.Claim)}}}}}
	for _, name := range slices.Sorted(maps.Keys(j.Payloads)) { // each file alone, because everyone could write a mounted directory
		mounts = append(mounts, yaml.MapSlice{
			{Key: "name", Value: "payloads"}, {Key: "mountPath", Value: text(payloadsDir + "/" + name)},
			{Key: "subPath", Value: text(name)}, {Key: "readOnly", Value: true},
		})
	}
	if len(j.Payloads) > 0 {
		volumes = append(volumes, yaml.MapSlice{{Key: "name", Value: "payloads"}, {Key: "configMap", Value: yaml.MapSlice{{Key: "name", Value: j.Name}}}})
	}
	pod := yaml.MapSlice{
		{Key: "restartPolicy", Value: "Never"},
		{Key: "automountServiceAccountToken", Value: false},
		{Key: "terminationGracePeriodSeconds", Value: seconds(j.Grace + afterGrace)},
	}
	if j.Limit > 0 {
		pod = append(pod, yaml.MapItem{Key: "activeDeadlineSeconds", Value: seconds(j.Limit + pullTime)})
	}
	pod = append(pod,
		yaml.MapItem{Key: "affinity", Value: yaml.MapSlice{{Key: "podAntiAffinity", Value: yaml.MapSlice{
			{Key: "requiredDuringSchedulingIgnoredDuringExecution", Value: []yaml.MapSlice{{
				{Key: "topologyKey", Value: "kubernetes.io/hostname"},
				{Key: "labelSelector", Value: yaml.MapSlice{{Key: "matchLabels", Value: yaml.MapSlice{{Key: nameLabel, Value: "ktstr"}}}}},
				{Key: "namespaceSelector", Value: yaml.MapSlice{}}, // all namespaces
			}}},
		}}}},
		yaml.MapItem{Key: "containers", Value: []yaml.MapSlice{{
			{Key: "name", Value: "ktstr"},
			{Key: "image", Value: text(j.Image)},
			{Key: "command", Value: []text{"ktstr"}},
			{Key: "args", Value: args},
			{Key: "env", Value: []yaml.MapSlice{{
				{Key: "name", Value: nodeVariable},
				{Key: "valueFrom", Value: yaml.MapSlice{{Key: "fieldRef", Value: yaml.MapSlice{{Key: "fieldPath", Value: "spec.nodeName"}}}}},
			}}},
			{Key: "volumeMounts", Value: mounts},
		}}},
		yaml.MapItem{Key: "volumes", Value: volumes},
	)
	return yaml.MapSlice{
		{Key: "apiVersion", Value: "batch/v1"},
		{Key: "kind", Value: "Job"},
		{Key: "metadata", Value: yaml.MapSlice{{Key: "name", Value: j.Name}, {Key: "labels", Value: j.labels()}}},
		{Key: "spec", Value: yaml.MapSlice{
			{Key: "completionMode", Value: "Indexed"},
			{Key: "completions", Value: j.Nodes},
			{Key: "parallelism", Value: j.Nodes},
			{Key: "backoffLimitPerIndex", Value: 0},
			{Key: "template", Value: yaml.MapSlice{
				{Key: "metadata", Value: yaml.MapSlice{{Key: "labels", Value: j.labels()}}},
				{Key: "spec", Value: pod},
			}},
		}},
	}
}

const (
	afterGrace = 30 * time.Second // to extract and keep the output after the kill
	pullTime   = 10 * time.Minute // to get the image
)

const nameLabel = "app.kubernetes.io/name"

// labels returns the labels of each object.
func (j Job) labels() yaml.MapSlice {
	return yaml.MapSlice{{Key: nameLabel, Value: "ktstr"}, {Key: "app.kubernetes.io/instance", Value: j.Name}}
}

// arguments returns the arguments of ktstr in the container. Kubernetes replaces $(NAME) by
// the variable of the container, and $$ by $.
func (j Job) arguments() []string {
	node := "$(" + nodeVariable + ")"
	args := []string{"run", "--out=" + bundlesDir + "/" + j.Name + "/" + node, "--" + Placed + "=kubernetes:" + node + ":" + j.Name + ":" + j.Set}
	if len(j.Payloads) > 0 {
		args = append(args, "--payload-dir="+payloadsDir)
	}
	for _, arg := range j.Args {
		args = append(args, strings.ReplaceAll(arg, "$", "$$"))
	}
	return args
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// text is a string between double quotes, so that no reader takes it for a number, a date or
// a truth value. YAML has the escapes of JSON.
type text string

// MarshalYAML implements yaml.BytesMarshaler.
func (t text) MarshalYAML() ([]byte, error) {
	quoted, err := plainjson.Marshal(string(t))
	return printable.EscapeJSON(quoted), err
}

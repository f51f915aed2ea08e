// Package hostfile reads the YAML file of `ktstr run --on FILE`: hosts, the engine that reaches them, and labels.
package hostfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"github.com/ktstr/ktstr/internal/fleet"
	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/strictyaml"
)

// A File names hosts and the engine that reaches them.
type File struct {
	Engine string         // such as "ssh" or "slurm:bench", see `ktstr run --on`
	Hosts  []fleet.Handle // at least one, each name once. The labels are those of the file, then those of the host.
}

// maxFile is the size limit of a file, in bytes.
const maxFile = 1 << 20

// Load reads the file. It returns an error if others than the caller and root can write the file, because the file decides
// where the payload runs. Errors in the text have file, line and column.
func Load(path string) (File, error) {
	text, err := strictyaml.ReadFile(path, "hosts", maxFile+1)
	if err != nil {
		return File{}, err
	}
	return Parse(path, text)
}

// Parse reads the text of a file. Errors call it file.
func Parse(file string, text []byte) (File, error) {
	if len(text) > maxFile {
		return File{}, &strictyaml.SyntaxError{File: file, Problem: fmt.Sprintf("more than %d bytes: want a list of hosts that a person could read", maxFile)}
	}
	root, err := strictyaml.Parse(file, text, "a list of hosts: engine, hosts, labels")
	if err != nil {
		return File{}, err
	}
	d := decoder{Decoder: strictyaml.Decoder{File: file}, names: map[string]bool{}}
	var f File
	var labels map[string]string
	d.Fields("", root, map[string]func(string, ast.Node){
		"engine": d.Word(&f.Engine, "ssh or slurm"),
		"hosts": func(field string, node ast.Node) {
			d.List(field, node, func(field string, item ast.Node) { f.Hosts = append(f.Hosts, d.host(field, item)) })
		},
		"labels": func(field string, node ast.Node) { labels = d.labels(field, node) },
	})
	if f.Engine == "" {
		d.Fail("engine", nil, "missing: want ssh or slurm")
	}
	if len(f.Hosts) == 0 {
		d.Fail("hosts", nil, "none: want a list of hosts, such as [node1, node2]")
	}
	if d.Err != nil {
		return File{}, d.Err
	}
	for i := range f.Hosts {
		all := maps.Clone(labels)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, f.Hosts[i].Labels)
		f.Hosts[i].Labels = all
	}
	return f, nil
}

type decoder struct {
	strictyaml.Decoder
	names map[string]bool // of the hosts before
}

// host reads a name, or a mapping with the name and labels.
func (d *decoder) host(field string, node ast.Node) fleet.Handle {
	var h fleet.Handle
	place := node
	if name, ok := strictyaml.Scalar(node); ok {
		h.Name = name
	} else {
		d.Fields(field, node, map[string]func(string, ast.Node){
			"name":   func(f string, n ast.Node) { place, h.Name = n, d.Text(f, n) },
			"labels": func(f string, n ast.Node) { h.Labels = d.labels(f, n) },
		})
	}
	switch {
	case h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == ',' }):
		d.Fail(field, place, "%q: want the name of a host, such as node1", h.Name)
	case d.names[h.Name]:
		d.Fail(field, place, "%s: there already: want each host once", h.Name)
	}
	d.names[h.Name] = true
	return h
}

func (d *decoder) labels(field string, node ast.Node) map[string]string {
	labels := d.TextMap(field, node)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if err := runs.ValidLabel(name, labels[name]); err != nil {
			d.Fail(field+"."+name, nil, "%v", err)
		}
	}
	return labels
}

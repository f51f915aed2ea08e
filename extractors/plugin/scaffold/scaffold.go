// Package scaffold turns a name into a directory with a new plugin: one that
// builds, reads a made-up sample, and passes its own tests unedited.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/ktstr/ktstr/internal/wire"
)

//go:embed all:templates
var templates embed.FS

// Plugin describes the plugin to write.
type Plugin struct {
	Name     string   // of the plugin: [a-z][a-z0-9-]*
	Lang     string   // one of Langs
	Dir      string   // the directory to make. Empty: ktstr-plugin-NAME here
	Reserved []string // names that are taken

	// Module is the Go module's path. Empty: example.com/ktstr-plugin-NAME.
	Module string
	// Version of ktstr's module that a Go plugin requires. Empty: v0.0.0, which
	// needs a Checkout.
	Version string
	// Checkout is a directory with ktstr's sources that a Go plugin is built
	// with. Empty: the module of that Version.
	Checkout string
}

// Langs are the languages that there are templates for.
func Langs() []string { return []string{"go", "script", "table"} }

// Write makes the directory and returns its path and the files in it. It
// leaves either the whole directory or nothing.
func Write(p Plugin) (dir string, files []string, err error) {
	if err := wire.CheckName(p.Name); err != nil {
		return "", nil, err
	}
	if slices.Contains(p.Reserved, p.Name) {
		return "", nil, fmt.Errorf("plugin name %q: it is taken by an extractor that comes with ktstr: want another name", p.Name)
	}
	if !slices.Contains(Langs(), p.Lang) {
		return "", nil, fmt.Errorf("language %q: want one of %s", p.Lang, strings.Join(Langs(), ", "))
	}
	if p.Dir == "" {
		p.Dir = "ktstr-plugin-" + p.Name
	}
	if p.Module == "" {
		p.Module = "example.com/ktstr-plugin-" + p.Name
	}
	if p.Version == "" {
		p.Version = "v0.0.0"
		if p.Checkout == "" && p.Lang == "go" {
			return "", nil, errors.New("this ktstr was built from sources without a version: want the directory of those sources (--checkout DIR)")
		}
	}
	if p.Checkout != "" {
		if p.Checkout, err = filepath.Abs(p.Checkout); err != nil {
			return "", nil, err
		}
		if text, err := os.ReadFile(filepath.Join(p.Checkout, "go.mod")); err != nil || !bytes.Contains(text, []byte("module github.com/ktstr/ktstr\n")) {
			return "", nil, fmt.Errorf("checkout %s: it holds no go.mod of github.com/ktstr/ktstr: want the directory of ktstr's sources", p.Checkout)
		}
	}
	if _, err := os.Lstat(p.Dir); err == nil {
		return "", nil, fmt.Errorf("%s is there already: want a directory to be made", p.Dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	parent := filepath.Dir(p.Dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, err
	}
	made, err := os.MkdirTemp(parent, ".ktstr-plugin-")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(made)
	if files, err = p.fill(made); err != nil {
		return "", nil, err
	}
	if err := os.Chmod(made, 0o755); err != nil {
		return "", nil, err
	}
	return p.Dir, files, os.Rename(made, p.Dir)
}

// fill writes the files below dir.
func (p Plugin) fill(dir string) (files []string, err error) {
	for _, set := range []string{p.Lang, "both"} {
		root := path.Join("templates", set)
		err := fs.WalkDir(templates, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(templates, name)
			if err != nil {
				return err
			}
			t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Parse(string(text))
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := t.Execute(&b, p); err != nil {
				return err
			}
			// NAME stands for the plugin's name. The suffix .tmpl hides a file from Go's tools.
			file := strings.TrimSuffix(strings.TrimPrefix(name, root+"/"), ".tmpl")
			file = strings.ReplaceAll(file, "NAME", p.Name)
			mode := os.FileMode(0o644)
			if bytes.HasPrefix(b.Bytes(), []byte("#!")) {
				mode = 0o755
			}
			full := filepath.Join(dir, filepath.FromSlash(file))
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				return err
			}
			files = append(files, file)
			return os.WriteFile(full, b.Bytes(), mode)
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	return files, nil
}

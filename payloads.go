package ktstr

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// PayloadFiles returns the payload definitions, *.yaml, in all of files, named
// after themselves: //go:embed payloads makes files. It panics if a
// file cannot be read, which an embedded one always can.
func PayloadFiles(files fs.FS) []PayloadFile {
	var found []PayloadFile
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(files, name)
		found = append(found, PayloadFile{Name: strings.TrimSuffix(path.Base(name), ".yaml"), YAML: text})
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("ktstr.PayloadFiles: %v", err))
	}
	return found
}

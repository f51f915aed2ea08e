package fio

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/ktstr/ktstr"
)

//go:embed payloads/*.yaml
var payloadFiles embed.FS

// payloads are the stock payloads, in the order of their names.
func payloads() []ktstr.PayloadFile {
	entries, err := fs.ReadDir(payloadFiles, "payloads")
	if err != nil {
		panic(err) // embedded: it is there
	}
	files := make([]ktstr.PayloadFile, 0, len(entries))
	for _, entry := range entries {
		text, err := payloadFiles.ReadFile("payloads/" + entry.Name())
		if err != nil {
			panic(err)
		}
		files = append(files, ktstr.PayloadFile{Name: strings.TrimSuffix(entry.Name(), ".yaml"), YAML: text})
	}
	return files
}

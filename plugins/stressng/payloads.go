package stressng

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/ktstr/ktstr"
)

//go:embed payloads
var payloadFiles embed.FS

// payloads are the stock payloads, in the order of their names.
func payloads() []ktstr.PayloadFile {
	entries, err := fs.ReadDir(payloadFiles, "payloads")
	if err != nil {
		panic(err) // embedded: it is there
	}
	var files []ktstr.PayloadFile
	for _, entry := range entries {
		name, isYAML := strings.CutSuffix(entry.Name(), ".yaml")
		if !isYAML {
			continue
		}
		text, err := payloadFiles.ReadFile("payloads/" + entry.Name())
		if err != nil {
			panic(err)
		}
		files = append(files, ktstr.PayloadFile{Name: name, YAML: text})
	}
	return files
}

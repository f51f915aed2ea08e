// Package plugins lists the extractors that ship with ktstr: the built-in and the stock
// extractors, as plain values in this process, and the stock payloads.
package plugins

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/plugins/fio"
	"github.com/ktstr/ktstr/plugins/noise"
	"github.com/ktstr/ktstr/plugins/schbench"
	"github.com/ktstr/ktstr/plugins/stressng"
)

// Source is the Source of every stock payload.
const Source = "stock"

// BuiltIn returns the extractors that are always in process.
func BuiltIn() []ktstr.Extractor {
	return []ktstr.Extractor{extractors.JSON(), extractors.ExitCode(), lines.Extractor()}
}

// Plugins returns the extractors that the ktstr command serves as plugins, each
// in a process of its own. An embedding program may use them in process.
func Plugins() []ktstr.Extractor {
	return []ktstr.Extractor{fio.New(), schbench.New(), stressng.New()}
}

// Payloads returns the payload definitions that come with them.
func Payloads() ([]payload.Payload, error) {
	var payloads []payload.Payload
	for _, f := range files() {
		p, err := parse(f)
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, p)
	}
	return payloads, nil
}

// Payload returns the stock payload of that name, if there is one.
func Payload(name string) (p payload.Payload, ok bool, err error) {
	for _, f := range files() {
		if f.Name == name {
			p, err := parse(f)
			return p, err == nil, err
		}
	}
	return payload.Payload{}, false, nil
}

func files() []ktstr.PayloadFile {
	all := []ktstr.PayloadFile{noise.Payload()}
	for _, x := range Plugins() {
		all = append(all, x.Describe().Payloads...)
	}
	slices.SortFunc(all, func(a, b ktstr.PayloadFile) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func parse(f ktstr.PayloadFile) (payload.Payload, error) {
	p, err := payload.Parse(f.Name+".yaml", f.YAML)
	if err != nil {
		return p, fmt.Errorf("stock payload: %w", err)
	}
	p.Source = Source
	return p, nil
}

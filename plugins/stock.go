// Package plugins lists the extractors that ship with ktstr: the built-in and the stock
// extractors, as plain values in this process, and the stock payloads.
package plugins

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/extractors/lines"
	"github.com/ktstr/ktstr/extractors/table"
	"github.com/ktstr/ktstr/plugins/cyclictest"
	"github.com/ktstr/ktstr/plugins/fio"
	"github.com/ktstr/ktstr/plugins/ioping"
	"github.com/ktstr/ktstr/plugins/iperf3"
	opensslspeed "github.com/ktstr/ktstr/plugins/openssl-speed"
	perfbench "github.com/ktstr/ktstr/plugins/perf-bench"
	perfstat "github.com/ktstr/ktstr/plugins/perf-stat"
	"github.com/ktstr/ktstr/plugins/pgbench"
	redisbenchmark "github.com/ktstr/ktstr/plugins/redis-benchmark"
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

// Parsers returns the stock extractors that are written in Go and that ktstr runs in
// process. They are pure functions that read lines, in the folder of their name.
func Parsers() []ktstr.Extractor {
	return []ktstr.Extractor{
		cyclictest.New(),
		ioping.New(),
		iperf3.New(),
		opensslspeed.New(),
		perfbench.New(),
		perfstat.New(),
		pgbench.New(),
		redisbenchmark.New(),
	}
}

//go:embed */*.ktstr.yaml
var tables embed.FS

// Tables returns the names of the stock table plugins. ktstr runs them in process.
func Tables() []string {
	return []string{
		"ab",
		"dbench",
		"h2load",
		"hackbench",
		"hyperfine",
		"mbw",
		"sockperf",
		"sysbench",
		"wrk",
	}
}

// Table parses the stock table plugin of that name. In a new process that takes some
// milliseconds, so a caller that needs one table parses only that one. ok is false if
// there is no such table.
func Table(name string) (x *table.Plugin, ok bool) {
	if !slices.Contains(Tables(), name) {
		return nil, false
	}
	file := name + "/" + name + table.Suffix
	text, err := tables.ReadFile(file)
	if err != nil {
		panic(err) // Tables and the folders differ, which the first test shows
	}
	return table.MustParse(file, text), true
}

// Payloads returns the payload definitions of the stock tools.
func Payloads() ([]payload.Payload, error) {
	all := ktstr.PayloadFiles(payloadFiles)
	for _, name := range Tables() {
		x, _ := Table(name)
		all = append(all, x.Describe().Payloads...)
	}
	slices.SortFunc(all, func(a, b ktstr.PayloadFile) int { return strings.Compare(a.Name, b.Name) })
	var payloads []payload.Payload
	for _, f := range all {
		p, err := parse(f)
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, p)
	}
	return payloads, nil
}

// Payload returns the stock payload of that name, if there is one. It parses no table
// that cannot bring the payload.
func Payload(name string) (p payload.Payload, ok bool, err error) {
	files := ktstr.PayloadFiles(payloadFiles)
	for _, tool := range Tables() {
		if ktstr.OwnsPayload(tool, name) {
			x, _ := Table(tool)
			files = append(files, x.Describe().Payloads...)
		}
	}
	for _, f := range files {
		if f.Name == name {
			p, err := parse(f)
			return p, err == nil, err
		}
	}
	return payload.Payload{}, false, nil
}

//go:embed */payloads/*.yaml
var payloadFiles embed.FS

func parse(f ktstr.PayloadFile) (payload.Payload, error) {
	p, err := payload.Parse(f.Name+".yaml", f.YAML)
	if err != nil {
		return p, fmt.Errorf("stock payload: %w", err)
	}
	p.Source = Source
	return p, nil
}

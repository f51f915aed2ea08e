// Package table is the extractor of a table plugin: a file NAME.ktstr.yaml with
// patterns for lines of text, or with paths of JSON documents. It needs no process of
// its own.
package table

import (
	"context"
	"fmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors/leaves"
)

// Suffix ends the name of a table plugin's file.
const Suffix = payload.TableSuffix

// Plugin is the extractor of a table. It is safe for several goroutines.
type Plugin struct {
	description ktstr.Description
	file        payload.TableFile
	lines       ktstr.Parser
	leaves      *leaves.Reader
}

// Parse makes the extractor of a table plugin's file. The name of the plugin is the
// base name of file without Suffix. Every error names the file, and the line and column
// of the mistake.
func Parse(file string, text []byte) (*Plugin, error) {
	t, err := payload.ParseTable(file, text)
	if err != nil {
		return nil, err
	}
	p := &Plugin{description: t.Description, file: t}
	if p.leaves, err = leaves.Compile(t.Leaves); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if p.lines, err = t.Lines.Compile(ktstr.Description{}); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	hints := append(p.lines.Description.Hints, p.leaves.Hints()...)
	p.description.Hints = append(hints, t.Description.Hints...)
	return p, nil
}

// MustParse is Parse for a table inside an executable. It panics if the table has a
// mistake, which the first test shows.
func MustParse(file string, text []byte) *Plugin {
	p, err := Parse(file, text)
	if err != nil {
		panic(err)
	}
	return p
}

// Describe returns the description in the file.
func (p *Plugin) Describe() ktstr.Description { return p.description }

// Extract reads the lines, and the leaves if no line has a number.
func (p *Plugin) Extract(ctx context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	x, err := p.lines.Extract(ctx, out)
	if err != nil || len(x.Metrics) > 0 || len(p.file.Leaves) == 0 {
		return x, err
	}
	found, _ := p.leaves.Extract(out.Data)
	kept := x.Diagnostics[:0]
	for _, d := range x.Diagnostics {
		if d.Code == ktstr.NoMetrics && len(p.file.Lines.Lines) == 0 {
			d.Message = fmt.Sprintf("no JSON document has a number at %s", p.file.Leaves[0].Path)
		}
		if len(found.Metrics) == 0 || d.Code != ktstr.NoMetrics && d.Code != ktstr.NotMyFormat {
			kept = append(kept, d)
		}
	}
	found.Diagnostics = append(kept, found.Diagnostics...)
	return found, nil
}

// Unmatched returns the patterns and paths of numbers, and the patterns of notes, that
// match nothing in the texts.
func (p *Plugin) Unmatched(texts [][]byte) (numbers, notes []string) {
	numbers, notes, err := p.file.Lines.Unmatched(texts)
	if err != nil {
		return nil, nil // Parse has compiled the table
	}
	read := make([]int, len(p.file.Leaves))
	for _, text := range texts {
		_, found := p.leaves.Extract(text)
		for i, n := range found {
			read[i] += n
		}
	}
	for i, l := range p.file.Leaves {
		if read[i] == 0 {
			numbers = append(numbers, fmt.Sprintf("%s (%s)", l.Path, l.Name))
		}
	}
	return numbers, notes
}

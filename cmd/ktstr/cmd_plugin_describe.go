package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/ktstr/ktstr/internal/wire"
)

func (a *app) describeExtractor(ctx context.Context, name string, f format) error {
	s, err := a.catalog(false).Extractor(name)
	if err != nil {
		return err
	}
	kind, d := s.Interface(), s.Description
	if d == nil {
		x, err := a.catalog(false).Start(ctx, name)
		if err != nil {
			return err
		}
		defer x.Close()
		known := x.Describe()
		kind, d = x.Interface(), &known
	}
	kind = cmp.Or(kind, wire.GRPC)
	if f == formatJSON {
		return a.writeJSON(wire.DescriptionJSON(*d, kind))
	}
	reads := "stdout, else stderr, else files"
	if d.AllStreams {
		reads = "all streams"
	}
	var payloads []string
	for _, p := range d.Payloads {
		payloads = append(payloads, p.Name)
	}
	t := tableTo(a.stdout)
	row := func(key string, words ...string) {
		if text := strings.Join(words, ", "); text != "" {
			fmt.Fprintf(t, "%s\t%s\n", key, line(text))
		}
	}
	row("name", d.Name)
	row("summary", d.Summary)
	row("version", d.Version)
	row("from", strings.TrimSpace(s.From+" "+s.Path))
	for _, tool := range d.Tools {
		row("tested with "+tool.Name, tool.Versions...)
	}
	row("reads", reads)
	row("payloads", payloads...)
	for _, o := range d.Options {
		row("option "+o.Name, strings.TrimSpace(strings.Join(o.Values, "|")+" "+o.Summary))
	}
	for _, h := range d.Hints {
		headline := ""
		if h.Headline {
			headline = "headline"
		}
		words := []string{}
		for _, w := range []string{h.Unit, arrow(h.Polarity), headline} {
			if w != "" {
				words = append(words, w)
			}
		}
		row("metric "+h.Name, words...)
	}
	return t.Flush()
}

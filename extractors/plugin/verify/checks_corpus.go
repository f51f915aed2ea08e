package verify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core/extract"
	"github.com/ktstr/ktstr/core/unit"
	"github.com/ktstr/ktstr/internal/text"
)

// plainDocument is the document of a case as it was captured, extracted once.
func (r *run) plainDocument(ctx context.Context, c check, k Case) []byte {
	doc, ok := r.plain[k.Name]
	if !ok {
		_, doc = r.document(ctx, c, asCaptured(k))
		r.plain[k.Name] = doc
	}
	return doc
}

func checkDescribe(ctx context.Context, r *run, c check) {
	d := r.desc
	if err := checkDescription(d); err != nil {
		c.failf(nil, "%v", err)
	}
	if again := r.x.Describe(); !reflect.DeepEqual(d, again) {
		c.failf(nil, "the second description is another one: want it constant")
	}
	headlines := 0
	for _, h := range d.Hints {
		if h.Headline {
			headlines++
		}
	}
	c.notef("%s, %s, %s", text.Count(len(d.Hints), "hint"), text.Count(headlines, "headline"), text.Count(len(d.Payloads), "payload"))
}

func checkGolden(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	compared, wrote := 0, 0
	for _, k := range r.corpus {
		in := asCaptured(k)
		if r.cfg.Update {
			// The document of a plugin that crashes is no expectation, and its error holds
			// paths of this machine.
			before := r.x.broken
			_, got := r.document(ctx, c, in)
			r.plain[k.Name] = got
			if r.x.broken > before {
				c.failf(in, "extract.json of this case is not written: the plugin itself failed")
				continue
			}
			if err := os.WriteFile(filepath.Join(k.Dir, "extract.json"), Indent(got), 0o644); err != nil {
				c.failf(nil, "%v", err)
				continue
			}
			wrote++
			continue
		}
		got := r.plainDocument(ctx, c, k)
		switch {
		case k.Want == nil:
			c.notef("%s has no extract.json", k.Name)
		default:
			compared++
			if diff := Diff(got, k.Want); diff != "" {
				c.failf(in, "%s: %s", k.Name, diff)
			}
		}
	}
	switch {
	case r.cfg.Update:
		c.notef("wrote extract.json of %s", text.Count(wrote, "case"))
	case compared == 0 && c.Outcome == Pass:
		c.skipf("no case has an extract.json: write them with --update, and read them before you keep them")
	default:
		c.notef("%s", text.Count(compared, "case"))
	}
}

func checkDescribed(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	said := map[string]bool{}
	complain := func(in *input, name, format string, args ...any) {
		if !said[name] {
			said[name] = true
			c.failf(in, format, args...)
		}
	}
	n := 0
	for _, k := range r.corpus {
		for _, out := range k.Streams {
			e, err := r.x.Extract(ctx, out)
			if err != nil {
				continue // golden has reported it
			}
			in := asCaptured(k)
			hints := append(append([]ktstr.Hint(nil), r.desc.Hints...), e.Hints...)
			for _, m := range e.Metrics {
				n++
				hinted := false
				for _, h := range hints {
					if !extract.Match(h.Name, m.Name) {
						continue
					}
					hinted = true
					if h.Unit != "" && m.Unit != "" && h.Unit != m.Unit && !unit.Convertible(m.Unit, h.Unit) {
						complain(in, m.Name, "metric %q is in %q, its hint %q says %q: want units that convert", m.Name, m.Unit, h.Name, h.Unit)
					}
				}
				if !hinted && m.Unit == "" && m.Polarity == ktstr.Unknown {
					complain(in, m.Name, "metric %q has neither unit nor polarity, and no hint matches it: want a hint", m.Name)
				}
			}
		}
	}
	c.notef("%s", text.Count(n, "metric"))
}

// tabular is an extractor that knows its patterns, such as a table.Plugin.
type tabular interface {
	Unmatched(texts [][]byte) (numbers, notes []string)
}

// checkPatterns applies to tables. A pattern of a number that matches nothing fails. A
// pattern of a note is only reported, because a corpus may lack failed runs.
func checkPatterns(_ context.Context, r *run, c check) {
	t := r.x.x.(tabular)
	if !r.needCorpus(c) {
		return
	}
	var texts [][]byte
	for _, k := range r.corpus {
		for _, out := range k.Streams {
			texts = append(texts, out.Data)
		}
	}
	numbers, notes := t.Unmatched(texts)
	for _, p := range numbers {
		c.failf(nil, "%s: it matches nothing in the corpus: want a capture with such a line, or no such pattern", p)
	}
	for _, p := range notes {
		c.notef("the note %s matches nothing in the corpus", p)
	}
}

func checkRepeat(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	for _, k := range r.corpus {
		first := r.plainDocument(ctx, c, k)
		in := asCaptured(k)
		if _, second := r.document(ctx, c, in); !bytes.Equal(first, second) {
			c.failf(in, "%s: the second extraction differs: %s", k.Name, Diff(second, first))
		}
	}
}

// codes counts diagnostics by code.
func codes(r extract.Result) map[ktstr.Code]int {
	n := map[ktstr.Code]int{}
	for _, d := range r.Diagnostics {
		n[d.Code]++
	}
	return n
}

// noticed reports whether r flags something that base does not.
func noticed(r extract.Result, base map[ktstr.Code]int) bool {
	if r.Status != extract.OK {
		return true
	}
	for code, n := range codes(r) {
		if n > base[code] {
			return true
		}
	}
	return false
}

// values returns the first metric of each name.
func values(r extract.Result) map[string]ktstr.Metric {
	v := make(map[string]ktstr.Metric, len(r.Metrics))
	for _, m := range r.Metrics {
		if _, ok := v[m.Name]; !ok {
			v[m.Name] = m
		}
	}
	return v
}

func checkLines(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	removed, headlines := 0, 0
	quiet := map[string]bool{} // metrics, no headlines, that get lost in silence
	for _, k := range r.corpus {
		base := extract.Run(ctx, r.x, k.Streams, nil)
		if base.Status != extract.OK {
			continue
		}
		was, flagged := values(base), codes(base)
		headline := map[string]bool{}
		for _, i := range base.Headlines {
			headline[base.Metrics[i].Name] = true
		}
		headlines += len(headline)
		for s, out := range k.Streams {
			lines := bytes.SplitAfter(out.Data, []byte{'\n'})
			starts := make([]int, len(lines))
			at := 0
			for i, l := range lines {
				starts[i] = at
				at += len(l)
			}
			for _, i := range spread(len(lines), r.affordable(len(out.Data), 1000)) {
				if len(bytes.TrimSpace(lines[i])) == 0 {
					continue
				}
				if c.enough() {
					return
				}
				removed++
				data := append(bytes.Clone(out.Data[:starts[i]]), out.Data[starts[i]+len(lines[i]):]...)
				if len(bytes.TrimSpace(data)) == 0 {
					continue // of a stream without text the extractor can say nothing
				}
				in := changed(k, s, data, starts[i], "without its line %d, %q", i+1, text.Shorten(strings.TrimRight(string(lines[i]), "\r\n"), 60))
				now, _ := r.document(ctx, c, in)
				if noticed(now, flagged) {
					continue
				}
				is := values(now)
				for name, m := range was {
					got, there := is[name]
					if there && got.Value == m.Value {
						continue
					}
					switch {
					case !headline[name]:
						quiet[name] = true
					case there:
						c.failf(in, "the headline %q silently becomes %v, it was %v: want a diagnostic", name, got.Value, m.Value)
					default:
						c.failf(in, "the headline %q gets lost in silence: want a diagnostic, such as %q", name, ktstr.MissingHeadline)
					}
				}
			}
		}
	}
	c.notef("%s removed, one at a time", text.Count(removed, "line"))
	if len(quiet) > 0 {
		c.notef("lost without a diagnostic, but no headlines: %s", list(quiet))
	}
	if headlines == 0 && c.Outcome == Pass {
		c.skipf("no metric of the corpus is a headline: mark the few numbers that matter (Hint.Headline)")
	}
}

func checkCut(ctx context.Context, r *run, c check) {
	if !r.needCorpus(c) {
		return
	}
	cuts := 0
	for _, k := range r.corpus {
		base := extract.Run(ctx, r.x, k.Streams, nil)
		was, flagged := values(base), codes(base)
		for s, out := range k.Streams {
			for _, at := range spread(len(out.Data), r.affordable(len(out.Data), 500)) {
				if at == 0 {
					continue // the engine does not give an extractor an empty stream
				}
				if c.enough() {
					return
				}
				cuts++
				in := changed(k, s, out.Data[:at], at, "first %d bytes", at)
				in.streams[s].Truncated = true
				now, _ := r.document(ctx, c, in)
				if noticed(now, flagged) {
					continue
				}
				for _, m := range now.Metrics {
					if old, there := was[m.Name]; !there || old.Value != m.Value {
						c.failf(in, "%q is %v, from the whole capture %s: want it left out, or a diagnostic", m.Name, m.Value, orAbsent(old, there))
						break
					}
				}
			}
		}
	}
	c.notef("%s", text.Count(cuts, "cut"))
}

func orAbsent(m ktstr.Metric, there bool) string {
	if !there {
		return "it is absent"
	}
	return fmt.Sprint("it is ", m.Value)
}

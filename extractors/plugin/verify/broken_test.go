package verify

import (
	"bytes"
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/ktstr/ktstr"
)

// brokenExtractor breaks the promise of one check.
type brokenExtractor struct {
	check string
	x     func(inner ktstr.Parser) ktstr.Extractor
}

func brokenExtractors() []brokenExtractor {
	var calls atomic.Int64
	var leak [][]byte
	return []brokenExtractor{
		{"describe", func(p ktstr.Parser) ktstr.Extractor { p.Description.Name = "My Tool"; return p }},
		{"describe", func(p ktstr.Parser) ktstr.Extractor { p.Description.Version = ""; return p }},
		{"describe", func(p ktstr.Parser) ktstr.Extractor {
			p.Description.Payloads = []ktstr.PayloadFile{{Name: "other", YAML: []byte("name: other\nsummary: x\nbinary: x\n")}}
			return p
		}},
		{"describe", func(p ktstr.Parser) ktstr.Extractor {
			p.Description.Payloads = []ktstr.PayloadFile{{Name: "tool", YAML: []byte("name: tool\nsummary: x\nbinaries: x\n")}}
			return p
		}},
		{"fuzz", after(func(e *ktstr.Extraction, out ktstr.Output) {
			if bytes.Contains(out.Data, []byte("999")) {
				panic("a large number")
			}
		})},
		{"golden", after(func(e *ktstr.Extraction, _ ktstr.Output) {
			if len(e.Metrics) > 0 {
				e.Metrics[0].Value *= 1000
			}
		})},
		{"described", after(func(e *ktstr.Extraction, out ktstr.Output) {
			if len(e.Metrics) > 1 {
				e.Metrics[1].Unit = "MiB"
			}
		})},
		{"described", after(func(e *ktstr.Extraction, out ktstr.Output) {
			if len(e.Metrics) > 0 {
				e.Metrics = append(e.Metrics, ktstr.Metric{Name: "more", Value: 1})
			}
		})},
		{"repeat", after(func(e *ktstr.Extraction, _ ktstr.Output) {
			if len(e.Metrics) > 0 {
				e.Metrics[0].Value = float64(calls.Add(1))
			}
		})},
		{"lines", after(func(e *ktstr.Extraction, _ ktstr.Output) { e.Diagnostics = nil })},
		{"cut", func(p ktstr.Parser) ktstr.Extractor {
			rate := regexp.MustCompile(`(?m)^rate: ([0-9.]+)`)
			inner := p.Parse
			p.Parse = func(out ktstr.Output) (ktstr.Extraction, error) {
				if m := rate.FindSubmatch(out.Data); m != nil {
					v, err := strconv.ParseFloat(string(m[1]), 64)
					if err == nil {
						return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "rate", Value: v}}}, nil
					}
				}
				return inner(out)
			}
			return p
		}},
		{"empty", after(func(e *ktstr.Extraction, out ktstr.Output) {
			if len(out.Data) < 2 {
				e.Metrics = []ktstr.Metric{{Name: "rate"}}
			}
		})},
		{"nul", after(func(e *ktstr.Extraction, out ktstr.Output) {
			if bytes.IndexByte(out.Data, 0) >= 0 {
				panic("a NUL byte")
			}
		})},
		{"crlf", after(func(e *ktstr.Extraction, out ktstr.Output) {
			if bytes.Contains(out.Data, []byte("\r\n")) && len(e.Metrics) > 0 {
				e.Metrics = e.Metrics[1:]
			}
		})},
		{"utf8", after(func(e *ktstr.Extraction, out ktstr.Output) {
			if i := bytes.IndexByte(out.Data, 0xff); i >= 0 {
				e.Metrics = append(e.Metrics, ktstr.Metric{Name: string(out.Data[i : i+1])})
			}
		})},
		{"large", func(p ktstr.Parser) ktstr.Extractor {
			inner := p.Parse
			p.Parse = func(out ktstr.Output) (ktstr.Extraction, error) {
				if len(out.Data) > 1<<20 {
					return ktstr.Extraction{}, errors.New("line too long")
				}
				return inner(out)
			}
			return p
		}},
		{"thousand", after(func(*ktstr.Extraction, ktstr.Output) { leak = append(leak, make([]byte, 64<<10)) })},
		{"cancel", func(p ktstr.Parser) ktstr.Extractor { return deaf{p} }},
		{"finite", after(func(e *ktstr.Extraction, out ktstr.Output) {
			e.Metrics = append(e.Metrics, ktstr.Metric{Name: "x", Value: math.Inf(1)})
		})},
	}
}

// Every broken promise is found, by the check that is about it.
func TestBrokenPromises(t *testing.T) { // not parallel: the check "thousand" measures the heap of this process
	for _, c := range brokenExtractors() {
		dir := corpusOf(t, map[string]string{"a/stdout": capture})
		verify(t, Config{Extractor: honest(), Corpus: dir, Update: true, Only: []string{"golden"}})
		only := []string{c.check}
		if c.check == "finite" {
			only = append(only, "repeat")
		}
		r := verify(t, Config{Extractor: c.x(honest()), Corpus: dir, Keep: t.TempDir(), Only: only})
		i := slices.IndexFunc(r.Checks, func(k Check) bool { return k.Name == c.check })
		if i < 0 || r.Checks[i].Outcome != Fail || len(r.Checks[i].Failures) == 0 || r.OK() {
			t.Errorf("%s passes an extractor that breaks it: %+v", c.check, r.Checks[max(i, 0)])
			continue
		}
		f := r.Checks[i].Failures[0]
		if f.Input != "" && f.File == "" {
			t.Errorf("%s: %q: the input was not kept", c.check, f.Message)
		}
		if slices.Contains([]string{"cut", "nul", "utf8", "lines"}, c.check) && len(f.Bytes) == 0 {
			t.Errorf("%s: %q: no bytes of the input", c.check, f.Message)
		}
	}
}

// after changes what the honest extractor returns.
func after(change func(*ktstr.Extraction, ktstr.Output)) func(ktstr.Parser) ktstr.Extractor {
	return func(p ktstr.Parser) ktstr.Extractor {
		inner := p.Parse
		p.Parse = func(out ktstr.Output) (ktstr.Extraction, error) {
			e, err := inner(out)
			change(&e, out)
			return e, err
		}
		return p
	}
}

// deaf never looks at its context.
type deaf struct{ ktstr.Parser }

func (d deaf) Extract(_ context.Context, out ktstr.Output) (ktstr.Extraction, error) {
	return d.Parse(out)
}

// Beside others, an extractor with shared state gives something else.
func TestParallelFindsSharedState(t *testing.T) {
	t.Parallel()
	var inside atomic.Int64
	meet := make(chan struct{})
	x := after(func(e *ktstr.Extraction, _ ktstr.Output) {
		if inside.Add(1) == 2 {
			close(meet)
		}
		<-meet // two are inside now
		e.Metrics = append(e.Metrics, ktstr.Metric{Name: "beside", Value: 1})
	})(honest())
	dir := corpusOf(t, map[string]string{"a/stdout": capture})
	r := &run{x: &probe{x: x}, plain: map[string][]byte{"a": []byte(`{"metrics":[]}`)}}
	r.corpus, _ = LoadCorpus(dir)
	c := check{&Check{Name: "parallel", Outcome: Pass}, ""}
	checkParallel(t.Context(), r, c)
	if c.Outcome != Fail {
		t.Error("parallel passes an extractor that gives something else beside others")
	}
}

package stressng

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ktstr/ktstr"
)

// A line is one line of the log without its prefix.
type line struct {
	text   []byte
	typ    byte   // 'i'nfo, 'm'etrc, 'f'ail, 'w'arn, 'e'rror, 'd'ebug, or 0 if the line has no type (--log-brief)
	pid    []byte // between the brackets, or nil
	number int    // 1-based
	whole  bool   // it ends with a newline, so that no digit can be missing
}

// read takes the stream apart.
func (p *parser) read() {
	data := p.out.Data
	for n, next := 1, 0; next < len(data); n++ {
		start, end := next, bytes.IndexByte(data[next:], '\n')
		whole := end >= 0
		if whole {
			end += start
			next = end + 1
		} else {
			end = len(data)
			next = end
		}
		if end > start && data[end-1] == '\r' {
			end--
		}
		text := data[start:end]
		p.end = end
		if p.yaml.reading {
			if inside, ok := p.yaml.unindent(text); ok && !bytes.HasPrefix(text, logPrefix) {
				p.yamlLine(inside, n, whole)
				continue
			}
			p.yamlStop()
		}
		if len(text) == 0 {
			continue
		}
		if whole && startsYAML(text) {
			p.yamlStart(text, n)
			continue
		}
		l := unprefix(text)
		l.number, l.whole = n, whole
		p.logLine(&l)
	}
	if p.yaml.reading {
		p.yamlStop()
	}
}

var logPrefix = []byte("stress-ng: ")

// unprefix reads "stress-ng: TYPE [PID] ", with a time of day before TYPE if
// --timestamp asked for it. --log-brief leaves all of it out. Something else
// may stand before it, if the log went through another tool.
func unprefix(text []byte) line {
	rest, ok := bytes.CutPrefix(text, logPrefix)
	if !ok {
		const far = 64
		at := bytes.Index(text[:min(len(text), far)], logPrefix)
		if at < 0 {
			return line{text: text}
		}
		rest = text[at+len(logPrefix):]
	}
	if len(rest) > 12 && rest[2] == ':' && rest[5] == ':' && rest[8] == '.' && rest[11] == ' ' {
		rest = rest[12:]
	}
	colon := len("info")
	if len(rest) > colon && rest[colon] != ':' {
		colon = len("debug")
	}
	if len(rest) <= colon || rest[colon] != ':' {
		return line{text: text}
	}
	switch string(rest[:colon]) {
	case "info", "metrc", "fail", "warn", "error", "debug":
	default:
		return line{text: text}
	}
	l := line{typ: rest[0]}
	rest = skipBlanks(rest[colon+1:])
	if len(rest) > 0 && rest[0] == '[' {
		if end := bytes.IndexByte(rest, ']'); end > 0 {
			l.pid = rest[1:end]
			rest = rest[end+1:]
			if len(rest) > 0 && rest[0] == ' ' {
				rest = rest[1:]
			}
		}
	}
	l.text = rest
	return l
}

// finish joins the metrics of the log and of the YAML.
func (p *parser) finish() ktstr.Extraction {
	p.text.finish(p)
	metrics := p.text.metrics
	if len(metrics) == 0 {
		metrics = p.yaml.metrics
	} else if len(p.yaml.metrics) > 0 {
		have := make(map[string]struct{}, len(metrics))
		for i := range metrics {
			have[metrics[i].Name] = struct{}{}
		}
		for _, m := range p.yaml.metrics {
			if _, ok := have[m.Name]; !ok {
				metrics = append(metrics, m)
			}
		}
	}
	if p.yaml.documents > 1 {
		p.diagnose(ktstr.SeveralReports, 0, fmt.Sprintf("the text holds %d YAML documents of stress-ng; the last one counts", p.yaml.documents))
	}
	metrics = p.onlyMeasured(metrics)
	p.version()
	if p.out.Truncated && !p.text.verdict.run.completed && !p.yaml.ended {
		p.diagnose(ktstr.Truncated, 0, "the text stops before the end of what stress-ng printed; what was complete of it counts")
	}
	if len(metrics) == 0 && len(p.diagnostics) == 0 && p.prose != 0 && !p.text.ours && p.yaml.documents == 0 {
		p.diagnose(ktstr.NotMyFormat, p.prose, "nothing in this text is of stress-ng's format; want its log lines or its YAML")
	}
	if p.left > 0 {
		p.diagnostics = append(p.diagnostics, ktstr.Diagnostic{Code: ktstr.TooMany, Message: fmt.Sprintf("%d more diagnostics were left out", p.left)})
	}
	return ktstr.Extraction{Metrics: metrics, Diagnostics: p.diagnostics}
}

// onlyMeasured returns no metrics if none of them is a measurement: counts of
// stressors and times say nothing about their work. A log without a table
// keeps them, because the table may be in the file of --yaml.
func (p *parser) onlyMeasured(metrics []ktstr.Metric) []ktstr.Metric {
	table := p.text.table.given || p.text.headerless > 0 || p.yaml.documents > 0
	if len(metrics) == 0 || !table {
		return metrics
	}
	for i := range metrics {
		segment, stat, found := strings.Cut(metrics[i].Name, ".")
		if found && segment != "times" && !strings.HasPrefix(stat, "perf.") && !strings.HasPrefix(stat, "tz.") {
			return metrics
		}
	}
	if slices.ContainsFunc(p.diagnostics, func(d ktstr.Diagnostic) bool { return d.Code == ktstr.NoMetrics }) {
		return nil
	}
	p.diagnose(ktstr.NoMetrics, p.text.table.line, "no row holds a measurement, and the counts and times beside it are none")
	return nil
}

// clip shortens text for a message.
func clip(text []byte) string {
	const most = 160
	if len(text) > most {
		return string(bytes.ToValidUTF8(text[:most], []byte("?"))) + "…"
	}
	return string(bytes.ToValidUTF8(text, []byte("?")))
}

// Package wire turns the project's vocabulary into the messages of
// ktstr.plugin.v1 and back. It also holds the parts of the protocol that are not
// gRPC: the handshake, the limits, and the JSON of describe and of script
// plugins. generate.sh generates the Go code of the protocol.
package wire

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ktstr/ktstr"
)

// The handshake. A plugin is started with the cookie in its environment, and
// answers with one line on its standard output:
//
//	1|1|unix|<socket in PLUGIN_UNIX_SOCKET_DIR>|grpc
//
// The numbers are go-plugin's own protocol and ours.
const (
	CookieKey   = "KTSTR_PLUGIN_COOKIE"
	CookieValue = "b5c1e6f0-2d0f-4a37-9a34-4f2c86a1d0e7"

	CoreProtocol = 1 // of go-plugin
	Protocol     = 1 // of ktstr.plugin.v1

	SocketDirKey = "PLUGIN_UNIX_SOCKET_DIR"   // where the plugin makes its socket
	VersionsKey  = "PLUGIN_PROTOCOL_VERSIONS" // versions that the host speaks, with commas

	// LifelineKey says, when it is not empty, that standard input is a pipe that the
	// host holds open and never writes to: its end is the host's.
	LifelineKey = "KTSTR_PLUGIN_LIFELINE"

	// SandboxKey carries a sandbox.Policy as JSON to a bundled plugin or a
	// launcher. Foreign plugins never see it.
	SandboxKey = "KTSTR_SANDBOX"
)

// Limits of the protocol. A message beyond a limit is refused, never truncated.
const (
	MaxChunk   = 256 << 10 // bytes of capture in one message. Every gRPC server takes 4 MiB
	MaxPart    = 4 << 20   // bytes of one ExtractResponse or DescribeResponse
	MaxAnswer  = 256 << 20 // bytes of all parts of one extraction
	MaxMetrics = 1 << 22   // metrics of one extraction
	MaxName    = 16 << 10  // bytes of a name, a unit, a code or a version
	MaxMessage = 64 << 10  // bytes of a message
	MaxList    = 100_000   // hints or diagnostics of one extraction, entries of a list in a description
	MaxPayload = 1 << 20   // bytes of one payload file
)

// FromDescription returns d as a message.
func FromDescription(d ktstr.Description) *Description {
	m := &Description{Name: d.Name, Summary: d.Summary, Version: d.Version, AllStreams: d.AllStreams, NoMetrics: d.NoMetrics, Hints: fromHints(d.Hints)}
	for _, t := range d.Tools {
		m.Tools = append(m.Tools, &Tool{Name: t.Name, Versions: t.Versions})
	}
	for _, p := range d.Payloads {
		m.Payloads = append(m.Payloads, &PayloadFile{Name: p.Name, Yaml: p.YAML})
	}
	for _, o := range d.Options {
		m.Options = append(m.Options, &Option{Name: o.Name, Values: o.Values, Summary: o.Summary})
	}
	return m
}

// ToDescription is the reverse of FromDescription. It returns the errors of
// CheckDescription, and one for an unknown polarity.
func ToDescription(m *Description) (ktstr.Description, error) {
	hints, err := toHints(m.GetHints())
	if err != nil {
		return ktstr.Description{}, err
	}
	d := ktstr.Description{Name: m.GetName(), Summary: m.GetSummary(), Version: m.GetVersion(), AllStreams: m.GetAllStreams(), NoMetrics: m.GetNoMetrics(), Hints: hints}
	for _, t := range m.GetTools() {
		d.Tools = append(d.Tools, ktstr.Tool{Name: t.GetName(), Versions: t.GetVersions()})
	}
	for _, p := range m.GetPayloads() {
		d.Payloads = append(d.Payloads, ktstr.PayloadFile{Name: p.GetName(), YAML: p.GetYaml()})
	}
	for _, o := range m.GetOptions() {
		d.Options = append(d.Options, ktstr.Option{Name: o.GetName(), Values: o.GetValues(), Summary: o.GetSummary()})
	}
	return d, CheckDescription(d)
}

// CheckName returns an error if name cannot be a plugin's name, for example "Fio".
func CheckName(name string) error {
	ok := name != "" && len(name) <= 64 && name[0] >= 'a' && name[0] <= 'z'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !ok {
		return fmt.Errorf("plugin name %s: want a lower-case letter, then up to 63 lower-case letters, digits or '-'", Quote(name))
	}
	return nil
}

// CheckDescription returns an error with the first reason why a host refuses d,
// for example an empty version.
func CheckDescription(d ktstr.Description) error {
	if err := CheckName(d.Name); err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("description of plugin "+d.Name+": "+format, args...)
	}
	if d.Version == "" {
		return bad("the version is empty: want the plugin's own version, such as 1.2.0")
	}
	// The version is a component of the path that it is installed under.
	for i := 0; i < len(d.Version); i++ {
		c := d.Version[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || i > 0 && strings.IndexByte(".-+_~", c) >= 0
		if !ok || len(d.Version) > 64 {
			return bad("version %s: want at most 64 of A-Z a-z 0-9 . - + _ ~, a letter or digit first", Quote(d.Version))
		}
	}
	if err := checkText("summary", d.Summary, MaxMessage); err != nil {
		return bad("%w", err)
	}
	for _, l := range []struct {
		what string
		n    int
	}{{"tools", len(d.Tools)}, {"hints", len(d.Hints)}, {"payloads", len(d.Payloads)}, {"options", len(d.Options)}} {
		if l.n > MaxList {
			return bad("%d %s: want at most %d", l.n, l.what, MaxList)
		}
	}
	for _, t := range d.Tools {
		if t.Name == "" {
			return bad("a tool has no name")
		}
		for _, s := range append([]string{t.Name}, t.Versions...) {
			if err := checkText("tool", s, MaxName); err != nil {
				return bad("%w", err)
			}
		}
	}
	for _, h := range d.Hints {
		if err := checkHint(h); err != nil {
			return bad("%w", err)
		}
	}
	seen := map[string]bool{}
	for _, p := range d.Payloads {
		if err := checkText("payload name", p.Name, MaxName); err != nil {
			return bad("%w", err)
		}
		if !ktstr.OwnsPayload(d.Name, p.Name) {
			return bad("payload %s: want %q or a name that starts with %q", Quote(p.Name), d.Name, d.Name+"-")
		}
		if seen[p.Name] {
			return bad("payload %s is there twice", Quote(p.Name))
		}
		seen[p.Name] = true
		if len(p.YAML) > MaxPayload {
			return bad("payload %s has %d bytes: want at most %d", Quote(p.Name), len(p.YAML), MaxPayload)
		}
		if !utf8.Valid(p.YAML) {
			return bad("payload %s is not valid UTF-8", Quote(p.Name))
		}
	}
	clear(seen)
	for _, o := range d.Options {
		if o.Name == "" || seen[o.Name] {
			return bad("option %s: want a name of its own", Quote(o.Name))
		}
		seen[o.Name] = true
		if err := checkText("option summary", o.Summary, MaxMessage); err != nil {
			return bad("%w", err)
		}
		for _, s := range append([]string{o.Name}, o.Values...) {
			if err := checkText("option", s, MaxName); err != nil {
				return bad("%w", err)
			}
		}
	}
	return nil
}

func checkHint(h ktstr.Hint) error {
	if h.Name == "" {
		return fmt.Errorf("a hint has no name")
	}
	if err := checkText("hint name", h.Name, MaxName); err != nil {
		return err
	}
	if err := checkText("unit of hint "+Quote(h.Name), h.Unit, MaxName); err != nil {
		return err
	}
	if _, err := ktstr.ParsePolarity(string(h.Polarity)); err != nil {
		return fmt.Errorf("hint %s: %w", Quote(h.Name), err)
	}
	return nil
}

func checkText(what, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s %s has %d bytes: want at most %d", what, Quote(s), len(s), limit)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %s is not valid UTF-8", what, Quote(s))
	}
	return nil
}

// Quote quotes text of a plugin for a message: no control character, and no
// more than 80 bytes of it.
func Quote(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%+.72q…", s)
	}
	return fmt.Sprintf("%q", s)
}

func fromHints(hints []ktstr.Hint) []*Hint {
	if len(hints) == 0 {
		return nil
	}
	out := make([]*Hint, len(hints))
	for i, h := range hints {
		out[i] = &Hint{Name: h.Name, Unit: h.Unit, Polarity: string(h.Polarity), Headline: h.Headline}
	}
	return out
}

func toHints(hints []*Hint) ([]ktstr.Hint, error) {
	if len(hints) == 0 {
		return nil, nil
	}
	out := make([]ktstr.Hint, len(hints))
	for i, h := range hints {
		p, err := ktstr.ParseHintPolarity(h.GetPolarity())
		if err != nil {
			return nil, fmt.Errorf("hint %s: %w", Quote(h.GetName()), err)
		}
		out[i] = ktstr.Hint{Name: h.GetName(), Unit: h.GetUnit(), Polarity: p, Headline: h.GetHeadline()}
		if err := checkHint(out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// FromOutput returns all of out but its bytes.
func FromOutput(out ktstr.Output) *Header {
	h := &Header{
		Stream:    strings.ToValidUTF8(string(out.Stream), "\uFFFD"),
		Size:      uint64(len(out.Data)),
		Truncated: out.Truncated,
	}
	if out.ExitCode != nil {
		code := int32(*out.ExitCode)
		h.ExitCode = &code
	}
	for _, a := range out.Argv {
		h.Argv = append(h.Argv, []byte(a))
	}
	for name, value := range out.Options {
		if h.Options == nil {
			h.Options = make(map[string]string, len(out.Options))
		}
		h.Options[strings.ToValidUTF8(name, "\uFFFD")] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return h
}

// ToOutput is the reverse of FromOutput. The caller sets Data.
func ToOutput(h *Header) ktstr.Output {
	out := ktstr.Output{Stream: ktstr.Stream(h.GetStream()), Truncated: h.GetTruncated(), Options: h.GetOptions()}
	if h.ExitCode != nil {
		code := int(*h.ExitCode)
		out.ExitCode = &code
	}
	for _, a := range h.GetArgv() {
		out.Argv = append(out.Argv, string(a))
	}
	return out
}

// SendExtraction sends x in parts below MaxPart. Text that is not UTF-8, which
// the protocol cannot carry, has its bad bytes replaced by U+FFFD, and a
// diagnostic says so.
func SendExtraction(x ktstr.Extraction, send func(*ExtractResponse) error) error {
	const target = 1 << 20 // of a part. One more entry never reaches MaxPart
	part, size, replaced := &ExtractResponse{}, 0, 0
	flush := func() error {
		err := send(part)
		part, size = &ExtractResponse{}, 0
		return err
	}
	text := func(s string) string {
		if !utf8.ValidString(s) {
			replaced++
			s = strings.ToValidUTF8(s, "\uFFFD")
		}
		size += len(s) + 4
		return s
	}
	// One allocation for many messages: a document may hold a million.
	var slab []Metric
	for i, m := range x.Metrics {
		if len(slab) == 0 {
			slab = make([]Metric, min(len(x.Metrics)-i, 1024))
		}
		w := &slab[0]
		slab = slab[1:]
		w.Name, w.Value, w.Unit, w.Polarity, w.Line = text(m.Name), m.Value, text(m.Unit), text(string(m.Polarity)), uint32(max(m.Line, 0))
		size += 24
		part.Metrics = append(part.Metrics, w)
		if size > target {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	for _, h := range x.Hints {
		part.Hints = append(part.Hints, &Hint{Name: text(h.Name), Unit: text(h.Unit), Polarity: text(string(h.Polarity)), Headline: h.Headline})
		size += 16
		if size > target {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	for _, d := range x.Diagnostics {
		part.Diagnostics = append(part.Diagnostics, &Diagnostic{Code: text(string(d.Code)), Message: text(d.Message), Line: uint32(max(d.Line, 0))})
		size += 16
		if size > target {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if replaced > 0 {
		part.Diagnostics = append(part.Diagnostics, &Diagnostic{
			Code:    string(ktstr.InvalidText),
			Message: fmt.Sprintf("%d texts of the extraction were not valid UTF-8; their bad bytes were replaced by U+FFFD", replaced),
		})
	}
	return flush()
}

// Answer joins the parts of one extraction and refuses invalid ones, for example
// a metric without a name. A value that is not finite is valid here, because a
// tool may print "nan". core/extract handles it. The zero value is ready to use.
type Answer struct {
	x     ktstr.Extraction
	bytes int
}

// Add adds one part of size bytes. After an error nothing of the extraction may
// be used.
func (a *Answer) Add(part *ExtractResponse, size int) error {
	if a.bytes += size; a.bytes > MaxAnswer {
		return fmt.Errorf("the answer exceeds %d MiB: want fewer metrics", MaxAnswer>>20)
	}
	if n := len(a.x.Metrics) + len(part.Metrics); n > MaxMetrics {
		return fmt.Errorf("more than %d metrics: want fewer", MaxMetrics)
	}
	if len(a.x.Hints)+len(part.Hints) > MaxList || len(a.x.Diagnostics)+len(part.Diagnostics) > MaxList {
		return fmt.Errorf("more than %d hints or diagnostics: want fewer", MaxList)
	}
	for _, m := range part.Metrics {
		p, err := ktstr.ParsePolarity(m.GetPolarity())
		if err != nil {
			return fmt.Errorf("metric %s: %w", Quote(m.GetName()), err)
		}
		if err := a.metric(ktstr.Metric{Name: m.GetName(), Value: m.GetValue(), Unit: m.GetUnit(), Polarity: p, Line: int(m.GetLine())}); err != nil {
			return err
		}
	}
	hints, err := toHints(part.Hints)
	if err != nil {
		return err
	}
	a.x.Hints = append(a.x.Hints, hints...)
	for _, d := range part.Diagnostics {
		if err := a.diagnostic(ktstr.Diagnostic{Code: ktstr.Code(d.GetCode()), Message: d.GetMessage(), Line: int(d.GetLine())}); err != nil {
			return err
		}
	}
	return nil
}

func (a *Answer) metric(m ktstr.Metric) error {
	if m.Name == "" {
		return fmt.Errorf("a metric has no name")
	}
	if err := checkText("metric name", m.Name, MaxName); err != nil {
		return err
	}
	if err := checkText("unit of metric "+m.Name, m.Unit, MaxName); err != nil {
		return err
	}
	a.x.Metrics = append(a.x.Metrics, m)
	return nil
}

func (a *Answer) diagnostic(d ktstr.Diagnostic) error {
	if d.Code == "" {
		return fmt.Errorf("diagnostic %s has no code", Quote(d.Message))
	}
	if err := checkText("diagnostic code", string(d.Code), MaxName); err != nil {
		return err
	}
	if err := checkText("diagnostic", d.Message, MaxMessage); err != nil {
		return err
	}
	a.x.Diagnostics = append(a.x.Diagnostics, d)
	return nil
}

// Extraction returns the joined parts.
func (a *Answer) Extraction() ktstr.Extraction { return a.x }

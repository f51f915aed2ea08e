package ktstr

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Polarity says which way a metric is better. The zero value is Unknown. Its
// text, also in JSON and YAML, is "higher", "lower", "target=V" or "unknown".
type Polarity string

// The polarities without a parameter.
const (
	Unknown Polarity = ""
	Higher  Polarity = "higher"
	Lower   Polarity = "lower"
)

const targetPrefix = "target="

// Target is the polarity of a metric that is best near v, which must be finite.
func Target(v float64) (Polarity, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Unknown, fmt.Errorf("polarity target %v: want a finite number", v)
	}
	return Polarity(targetPrefix + strconv.FormatFloat(v, 'g', -1, 64)), nil
}

// SetUnknown, as the polarity of a Hint, removes the polarity that the metric or a
// hint of lower precedence has. The empty polarity of a Hint changes nothing.
const SetUnknown Polarity = "unknown"

// ParseHintPolarity reads the polarity of a Hint. It is ParsePolarity, except that the
// text "unknown" gives SetUnknown.
func ParseHintPolarity(text string) (Polarity, error) {
	if text == string(SetUnknown) {
		return SetUnknown, nil
	}
	return ParsePolarity(text)
}

// ParsePolarity reads the text of a Polarity; the empty text is Unknown.
func ParsePolarity(text string) (Polarity, error) {
	switch text {
	case "", "unknown":
		return Unknown, nil
	case string(Higher), string(Lower):
		return Polarity(text), nil
	}
	if number, ok := strings.CutPrefix(text, targetPrefix); ok {
		if v, err := strconv.ParseFloat(number, 64); err == nil {
			return Target(v)
		}
	}
	return Unknown, fmt.Errorf("polarity %q: want higher, lower, target=NUMBER or unknown", text)
}

// Target returns the value that a metric of this polarity should be near.
func (p Polarity) Target() (v float64, ok bool) {
	number, ok := strings.CutPrefix(string(p), targetPrefix)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(number, 64)
	return v, err == nil
}

// String returns "unknown" for the zero value.
func (p Polarity) String() string {
	if p == Unknown {
		return "unknown"
	}
	return string(p)
}

// MarshalText implements encoding.TextMarshaler.
func (p Polarity) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it refuses other words.
func (p *Polarity) UnmarshalText(text []byte) error {
	v, err := ParsePolarity(string(text))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Seconds is a duration whose JSON is a number of seconds, exact to the nanosecond. For
// example 1.5 is 1500 ms.
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	ns := int64(s)
	sign := ""
	magnitude := uint64(ns)
	if ns < 0 {
		sign, magnitude = "-", -magnitude
	}
	text := fmt.Sprintf("%s%d.%09d", sign, magnitude/1e9, magnitude%1e9)
	return []byte(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	d, err := time.ParseDuration(string(b) + "s")
	if err != nil {
		// Other writers use exponents, which ParseDuration does not read.
		v, floatErr := strconv.ParseFloat(string(b), 64)
		if ns := math.Round(v * 1e9); floatErr == nil && math.Abs(ns) < math.MaxInt64 {
			d = time.Duration(ns)
		} else {
			return fmt.Errorf("duration %s: want a number of seconds", b)
		}
	}
	*s = Seconds(d)
	return nil
}

// String prints the duration as time.Duration does.
func (s Seconds) String() string { return time.Duration(s).String() }

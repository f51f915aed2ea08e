package text

import (
	"math"
	"math/rand"
	"strconv"
	"strings"
	"testing"
)

// check holds what is read of text, wherever it stands, against strconv.
func check(t *testing.T, text string) (read bool) {
	t.Helper()
	for _, before := range []string{"", "9.9", "x"} {
		v, end, ok := ReadDecimal([]byte(before+text), len(before))
		if !ok {
			return false
		}
		token := text[:end-len(before)]
		want, err := strconv.ParseFloat(token, 64)
		if err != nil || math.Float64bits(v) != math.Float64bits(want) || strings.Trim(token, ".0123456789") != "" {
			t.Errorf("ReadDecimal(%q) = %v up to %q, want %v (%v)", text, v, token, want, err)
		}
		if rest := text[len(token):]; rest != "" && (rest[0] >= '0' && rest[0] <= '9' || rest[0] == '.' && !strings.Contains(token, ".")) {
			t.Errorf("ReadDecimal(%q) stops before %q", text, rest)
		}
	}
	return true
}

func TestReadDecimal(t *testing.T) {
	for _, text := range []string{
		"0", "7", "00", "007", "12345678", "123456789012345", "0.1", "0.3", "1.5", "1.12345678901234", "12345678.1234567", "99999999.25",
		"1694.09 x", "5,", "5e3", "5.5.5", "1-", "0.0000001", "0.00000000000001",
	} {
		if !check(t, text) {
			t.Errorf("%q is not read", text)
		}
	}
	for _, text := range []string{
		"", ".", "x", ".5", "-5", "+5", "1.", "1. ", "1.x", "1..2", "1234567890123456", "0.123456789012345", "123456789012345.1", " 1", ",",
		"99999999999999999999999999", "0." + strings.Repeat("0", 100) + "1",
	} {
		if check(t, text) {
			t.Errorf("%q is read", text)
		}
	}
}

// TestReadDecimalAgainstStrconv reads texts that are nearly numbers.
func TestReadDecimalAgainstStrconv(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200000 {
		var b []byte
		for range 1 + r.Intn(20) {
			switch r.Intn(40) {
			case 0:
				b = append(b, byte(r.Intn(256)))
			case 1, 2:
				b = append(b, '.')
			default:
				b = append(b, byte('0'+r.Intn(10)))
			}
		}
		check(t, string(b))
	}
}

func TestParseDecimal(t *testing.T) {
	for in, want := range map[string]float64{
		"1694.09": 1694.09, "-5": -5, "+5": 5, "1.79445e+03": 1794.45, "1E3": 1000, "1234567890123456789": 1234567890123456789, "0.1234567890123456": 0.1234567890123456,
	} {
		if got, ok := ParseDecimal(in); !ok || got != want {
			t.Errorf("ParseDecimal(%q) = %v, %t, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "-", "5.", ".5", "-.5", "1.e3", "1e", "1e+", "0x10", "1_000", "nan", "inf", "1e999", " 1", "1 ", "1.2.3", "1-2"} {
		if got, ok := ParseDecimal([]byte(in)); ok {
			t.Errorf("ParseDecimal(%q) = %v, want none", in, got)
		}
	}
}

func TestDecimalLen(t *testing.T) {
	for in, want := range map[string]int{
		"2.5ms": 3, "-1e3": 4, ".5": 2, "5.": 2, "2exa": 1, "1e+": 1, "1E-3x": 4, "": 0, "-": 0, ".": 0, "e3": 0, "x": 0,
	} {
		if got := DecimalLen(in); got != want {
			t.Errorf("DecimalLen(%q) = %d, want %d", in, got, want)
		}
	}
}

func BenchmarkReadDecimal(b *testing.B) {
	in := []byte("1694.09 x")
	for b.Loop() {
		ReadDecimal(in, 0)
	}
}

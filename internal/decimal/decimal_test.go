package decimal

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
		v, end, ok := Read([]byte(before+text), len(before))
		if !ok {
			return false
		}
		token := text[:end-len(before)]
		want, err := strconv.ParseFloat(token, 64)
		if err != nil || math.Float64bits(v) != math.Float64bits(want) || strings.Trim(token, ".0123456789") != "" {
			t.Errorf("Read(%q) = %v up to %q, want %v (%v)", text, v, token, want, err)
		}
		if rest := text[len(token):]; rest != "" && (rest[0] >= '0' && rest[0] <= '9' || rest[0] == '.' && !strings.Contains(token, ".")) {
			t.Errorf("Read(%q) stops before %q", text, rest)
		}
	}
	return true
}

func TestRead(t *testing.T) {
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

// TestReadAny reads texts that are nearly numbers.
func TestReadAny(t *testing.T) {
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

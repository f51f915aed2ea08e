package check_test

import (
	"math"
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/check"
)

// C5
func TestParseReadsWhatStringWrites(t *testing.T) {
	for text, want := range map[string]string{
		"p99 <= 2ms":                   "p99 <= 2ms",
		"p99<=2ms":                     "p99 <= 2ms",
		"  p99   >=  2 ms ":            "p99 >= 2ms",
		"a.b >= -1.5e3":                "a.b >= -1500",
		"a >= +.5":                     "a >= 0.5",
		"a >= 1e-7s":                   "a >= 1e-07s",
		"a <= 2exa":                    "a <= 2 exa",
		"a <= 5 %":                     "a <= 5%",
		"a <= 5µs":                     "a <= 5µs",
		"a in [1, 2]":                  "a in [1, 2]",
		"a in[1us,2us]":                "a in [1us, 2us]",
		"a in [500us, 2ms]":            "a in [500us, 2000us]",
		"a in [0.001s, 2ms]":           "a in [1ms, 2ms]",
		"exists rd~2.read.iops":        "exists rd~2.read.iops",
		`exists "a b"`:                 `exists "a b"`,
		`exists 'a"b'`:                 `exists "a\"b"`,
		`"exit" >= 1`:                  `"exit" >= 1`,
		`"exists" in [1, 1]`:           `"exists" in [1, 1]`,
		"exists >= 2":                  `"exists" >= 2`,
		"exists exists":                `exists "exists"`,
		"in in [1, 2]":                 "in in [1, 2]",
		"exit == 0":                    "exit == 0",
		"exit==-1":                     "exit == -1",
		"größe >= 3":                   "größe >= 3",
		`"\u00a0x" <= 1`:               `"\u00a0x" <= 1`,
		"iops >= 50kiops":              "iops >= 50kiops",
		"jobs.0.lat_ns.mean <= 100000": "jobs.0.lat_ns.mean <= 100000",
	} {
		c, err := check.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if c.String() != want {
			t.Errorf("Parse(%q) = %q, want %q", text, c, want)
		}
		again, err := check.Parse(c.String())
		if err != nil || again != c {
			t.Errorf("Parse(%q) = %#v, %v; want %#v", c.String(), again, err, c)
		}
		var u check.Check
		b, _ := c.MarshalText()
		if err := u.UnmarshalText(b); err != nil || u != c {
			t.Errorf("text of %q: %v, %v", text, u, err)
		}
	}
}

func TestParseErrorsGiveTheExpectedForm(t *testing.T) {
	for text, want := range map[string]string{
		"":                  `check "": want METRIC OP VALUE, exists METRIC or exit == N`,
		"<= 2":              `check "<= 2": want METRIC OP VALUE, exists METRIC or exit == N`,
		"p99 <= 1,ms":       `check "p99 <= 1,ms": value "1,ms": want a decimal number and at most a unit after it, like 2.5ms`,
		"p99 <":             `check "p99 <": want METRIC OP VALUE, where OP is >=, <= or in`,
		"p99 <=":            `check "p99 <=": want METRIC OP VALUE, where OP is >=, <= or in`,
		"p99 < 2":           `check "p99 < 2": bounds are inclusive: want p99 <= 2`,
		`"a b" > 2`:         `check "\"a b\" > 2": bounds are inclusive: want "a b" >= 2`,
		"p99":               `check "p99": want METRIC OP VALUE, where OP is >=, <= or in`,
		"p99 2ms":           `check "p99 2ms": want METRIC OP VALUE, where OP is >=, <= or in`,
		"p99 == 2":          `check "p99 == 2": want p99 in [LO, HI], or exit == N`,
		"p99 != 2":          `check "p99 != 2": want METRIC OP VALUE, where OP is >=, <= or in`,
		"p99 <= x":          `check "p99 <= x": value "x": want NUM or NUMUNIT, like 2.5ms`,
		"p99 <= NaN":        `check "p99 <= NaN": value "NaN": want NUM or NUMUNIT, like 2.5ms`,
		"p99 <= 1e999":      `check "p99 <= 1e999": value "1e999": want a finite number`,
		"p99 <= 1,000":      `check "p99 <= 1,000": value "1,000": want a decimal number and at most a unit after it, like 2.5ms`,
		"p99 <= 0x10":       `check "p99 <= 0x10": value "0x10": want a decimal number and at most a unit after it, like 2.5ms`,
		"p99 <= 1_000":      `check "p99 <= 1_000": value "1_000": want a decimal number and at most a unit after it, like 2.5ms`,
		"p99 <= 50k":        `check "p99 <= 50k": value "50k": a prefix without a unit: want all the digits, or a unit such as MiB or kiops`,
		"p99 <= 2 ms extra": `check "p99 <= 2 ms extra": value "2 ms extra": want a decimal number and at most a unit after it, like 2.5ms`,
		"p99 in [2, 1]":     `check "p99 in [2, 1]": check on "p99": range [2, 1]: want the lower bound first`,
		"p99 in [1, 2ms]":   `check "p99 in [1, 2ms]": a unit on one bound only: want it on both or on none`,
		"p99 in [1B, 2ms]":  `check "p99 in [1B, 2ms]": "B" and "ms" do not measure the same: want units that convert`,
		"p99 in 1, 2":       `check "p99 in 1, 2": want METRIC in [LO, HI]`,
		"p99 in [1 2]":      `check "p99 in [1 2]": want METRIC in [LO, HI]`,
		"exists":            `check "exists": want exists METRIC (quote a name with blanks)`,
		"exists a b":        `check "exists a b": want exists METRIC (quote a name with blanks)`,
		`exists ""`:         `check "exists \"\"": want exists METRIC (quote a name with blanks)`,
		"exit == x":         `check "exit == x": want exit == N (a metric of that name wants quotes: "exit")`,
		"exit != 0":         `check "exit != 0": want exit == N (a metric of that name wants quotes: "exit")`,
		"exit >= 0":         `check "exit >= 0": want exit == N (a metric of that name wants quotes: "exit")`,
		`"a <= 1`:           `check "\"a <= 1": the name's quotes do not close: want "NAME"`,
		`'a <= 1`:           `check "'a <= 1": the name's quotes do not close: want 'NAME'`,
	} {
		_, err := check.Parse(text)
		if err == nil || err.Error() != want {
			t.Errorf("Parse(%q): got error\n%v, want\n%s", text, err, want)
		}
	}
}

// C5
func TestParseReadsAZeroWithItsUnit(t *testing.T) {
	want, err := check.AtMost("p99", 0, "ms")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := check.Parse("p99 <= 0ms"); err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestConstructorsRefuseInvalidBounds(t *testing.T) {
	refused := func(c check.Check, err error) {
		t.Helper()
		if err == nil || c != (check.Check{}) {
			t.Errorf("got %v, %v; want an error", c, err)
		}
	}
	inf, nan := math.Inf(1), math.NaN()
	refused(check.AtLeast("a", nan, ""))
	refused(check.AtLeast("a", inf, ""))
	refused(check.AtMost("a", -inf, ""))
	refused(check.AtMost("", 1, ""))
	refused(check.Range("a", 2, 1, ""))
	refused(check.Range("a", nan, 1, ""))
	refused(check.Range("a", 1, inf, ""))
	refused(check.AtMost("a", 1, "m s"))
	refused(check.AtMost("a", 1, "2ms"))
	refused(check.Exists(""))
	if c, err := check.Range("a", 1, 1, "us"); err != nil || c.String() != "a in [1us, 1us]" {
		t.Errorf("a range of one value: %v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"p99 <= 2ms", "a in [1us, 2ms]", `exists "a b"`, "exit == -1", "'x' >= 2 exa", "a<=1e5"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := check.Parse(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "check ") {
				t.Fatalf("Parse(%q): error without its subject: %v", text, err)
			}
			return
		}
		again, err := check.Parse(c.String())
		if err != nil || again != c {
			t.Fatalf("Parse(%q) = %q, which parses to %q, %v", text, c, again, err)
		}
		check.Evaluate([]check.Check{c}, check.Input{})
	})
}

package lines

import (
	"regexp/syntax"
	"strings"
	"testing"
)

func TestRequiredLiterals(t *testing.T) {
	for expression, want := range map[string]string{
		`^Time: (?P<value>\d+)`:                              "Time: ",
		`^(alpha|beta|gamma): \d+ ms$`:                       "alpha|beta|gamma",
		`^(total time|time elapsed): (\d+)s`:                 "otal time|ime elapsed", // they share a t
		`(?:disabled|(\d+)th percentile: )`:                  "disabled|th percentile: ",
		`^(alpha|\d+) per second`:                            " per second",
		`(alpha|\d+)`:                                        "",
		`(?i)throughput: (\d+)`:                              "",
		`(words: )?(\d+)`:                                    "",
		`(words: )+(\d+)`:                                    "words: ",
		`a1|b2|c3|d4|e5|f6|g7|h8|i9|j0|kk|ll|mm|nn|oo|pp|qq`: "", // too many
	} {
		tree, err := syntax.Parse(expression, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(requiredLiterals(tree.Simplify()), "|"); got != want {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
}

package ktstr_test

import (
	"context"
	"fmt"
	"log"
	"regexp"
	"strconv"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/sdk"
)

var score = regexp.MustCompile(`score: (\d+)`)

// A plugin is a parse function and a description. This is all of one.
func Example_plugin() {
	parse := func(out ktstr.Output) (ktstr.Extraction, error) {
		m := score.FindSubmatch(out.Data)
		if m == nil {
			return ktstr.Extraction{}, nil
		}
		v, err := strconv.ParseFloat(string(m[1]), 64)
		return ktstr.Extraction{Metrics: []ktstr.Metric{{Name: "score", Value: v, Polarity: ktstr.Higher}}}, err
	}
	main := func() {
		sdk.Serve(ktstr.Parser{Description: ktstr.Description{Name: "mybench", Version: "1"}, Parse: parse})
	}
	_ = main // in a real plugin this is func main

	x, err := parse(ktstr.Output{Data: []byte("score: 42")})
	fmt.Println(x.Metrics[0].Name, x.Metrics[0].Value, err)
	// Output: score 42 <nil>
}

// An embedding test runs a payload and looks at one error.
func Example_embedding() {
	fast, err := check.Parse("lat.p99 <= 2ms")
	if err != nil {
		log.Fatal(err)
	}
	p := payload.Payload{Name: "mybench", Binary: "echo", Args: []string{`{"lat": {"p99": 1500}}`},
		Hints: []payload.Hint{{Hint: ktstr.Hint{Name: "lat.*", Unit: "us", Polarity: ktstr.Lower}}}}
	res, err := core.Run(context.Background(), core.Spec{Payload: p, Extractor: extractors.JSON(), Checks: []check.Check{fast}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Verdict, res.Err())
	// Output: pass <nil>
}

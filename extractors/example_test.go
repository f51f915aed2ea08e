package extractors_test

import (
	"context"
	"fmt"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors"
)

// The json extractor reads the first document of a text. Each number becomes a metric
// that is named by its path.
func ExampleJSON() {
	text := "starting\n{\"jobs\": [{\"read\": {\"iops\": 73.5}}], \"ok\": true}\n"
	x, err := extractors.JSON().Extract(context.Background(), ktstr.Output{Data: []byte(text)})
	for _, m := range x.Metrics {
		fmt.Println(m.Name, m.Value, "on line", m.Line)
	}
	fmt.Println(err)
	// Output:
	// jobs.0.read.iops 73.5 on line 2
	// <nil>
}

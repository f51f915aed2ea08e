package core_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/core"
	"github.com/ktstr/ktstr/core/check"
	"github.com/ktstr/ktstr/core/payload"
	"github.com/ktstr/ktstr/extractors"
)

// bench is a payload that prints one JSON document.
func bench() payload.Payload {
	return payload.Payload{Name: "mybench", Binary: "echo", Args: []string{`{"iops": 1250, "lat_us": 80}`}}
}

// A test fails on one error, whatever went wrong: the payload failed, nothing was
// measured, or a check did not hold.
func ExampleRun() {
	r, err := core.Run(context.Background(), core.Spec{Payload: bench(), Extractor: extractors.JSON()})
	if err != nil {
		log.Fatal(err) // the payload could not be run
	}
	iops, _ := r.Metric("iops")
	fmt.Println(iops.Value, r.Err())
	// Output: 1250 <nil>
}

// A Spec begins with the payload's own args and checks. Add appends to them, and Clear
// removes them.
func ExampleSpec_AddChecks() {
	fast, err := check.Parse("lat_us <= 50")
	if err != nil {
		log.Fatal(err)
	}
	s := core.Spec{Payload: bench(), Extractor: extractors.JSON(), Timeout: time.Minute}
	s.AddChecks(fast)
	fmt.Println(s)
	r, err := core.Run(context.Background(), s)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Verdict, r.ExitStatus())
	for _, d := range r.Details {
		fmt.Println(d.Message)
	}
	// Output:
	// run of mybench: 1 args, 1 checks, cgroup "", timeout 1m0s
	// fail 1
	// metric 'lat_us' is 80: want <= 50
}

// A payload that runs in the background is killed by its caller. Its checks judge it,
// so a kill that is expected passes.
func ExampleStart() {
	killed, err := check.Parse("exit == -1")
	if err != nil {
		log.Fatal(err)
	}
	load := payload.Payload{Name: "load", Binary: "sleep", Args: []string{"1000"}, Checks: []check.Check{killed}}
	h, err := core.Start(context.Background(), core.Spec{Payload: load, Extractor: extractors.ExitCode()})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	_, done, err := h.TryWait()
	fmt.Println("running:", h.Pid() > 0, done, err)

	r, err := h.Kill()
	fmt.Println(r.Verdict, r.Signal, err)
	// Output:
	// running: true false <nil>
	// pass SIGKILL <nil>
}

// Prepare finds mistakes before anything runs. The Prepared then makes several runs.
func ExamplePrepare() {
	p, err := core.Prepare(context.Background(), core.Spec{Payload: bench(), Extractor: extractors.JSON(), Options: map[string]string{"dokuments": "all"}})
	fmt.Println(err)
	p, err = core.Prepare(context.Background(), core.Spec{Payload: bench(), Extractor: extractors.JSON()})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		h, err := p.Start(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		r, err := h.Wait()
		fmt.Println(r.Verdict, len(r.Printed()), err)
	}
	// Output:
	// payload mybench: extractor json: option dokuments: not one that it has: want documents
	// pass 2 <nil>
	// pass 2 <nil>
}

// printer is a sink. It gets the raw output before the extraction and the record after
// the checks.
type printer struct{}

func (printer) Raw(r *core.Result) error {
	for _, s := range r.Streams {
		fmt.Printf("%s: %d bytes\n", s.Stream, len(s.Data))
	}
	return nil
}

func (printer) Emit(r *core.Result) error {
	fmt.Println(r.Payload, r.Verdict)
	return nil
}

// A sink keeps the runs where the embedding program wants them.
func ExampleSink() {
	if _, err := core.Run(context.Background(), core.Spec{Payload: bench(), Extractor: extractors.JSON(), Sinks: []core.Sink{printer{}}}); err != nil {
		log.Fatal(err)
	}
	// Output:
	// stdout: 29 bytes
	// stderr: 0 bytes
	// mybench pass
}

// A hint says what a metric means: its unit, the better direction, and whether it is a
// headline. A pattern's '*' matches one segment of the name.
func ExampleSpec_hints() {
	p := bench()
	p.Hints = []payload.Hint{
		{Hint: ktstr.Hint{Name: "iops", Unit: "iops", Polarity: ktstr.Higher, Headline: true}},
		{Hint: ktstr.Hint{Name: "lat*", Unit: "us", Polarity: ktstr.Lower}},
	}
	r, err := core.Run(context.Background(), core.Spec{Payload: p, Extractor: extractors.JSON()})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range r.Printed() {
		fmt.Println(m.Name, m.Value, m.Unit, m.Polarity)
	}
	fmt.Println("headlines:", r.Headlines)
	// Output:
	// iops 1250 iops higher
	// lat_us 80 us lower
	// headlines: [iops]
}

// Walker walks FILE N times with the project's JSON extractor, and prints how
// many numbers there are, their sum, and the nanoseconds of each walk. With
// "new" as a third argument each walk has new buffers.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	w := new(extractors.Walker)
	for range n {
		if len(os.Args) > 3 {
			w = new(extractors.Walker)
		}
		begin := time.Now()
		e, err := w.Extract(ktstr.Output{Stream: ktstr.Stdout, Data: text})
		took := time.Since(begin)
		if err != nil {
			panic(err)
		}
		sum := 0.0
		for i := range e.Metrics {
			sum += e.Metrics[i].Value
		}
		fmt.Println(len(e.Metrics), strconv.FormatFloat(sum, 'g', 17, 64), took.Nanoseconds())
	}
}

// Walker walks FILE N times with the project's JSON extractor, and prints how
// many numbers there are, their sum, the nanoseconds of each walk, and the bytes
// of the result. The third argument says how: reused (buffers), new (buffers
// each time), loop (no walk, but a loop over the bytes), none (FILE is read, and
// that is all).
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"
	"unsafe"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/extractors"
	"github.com/ktstr/ktstr/internal/huge"
)

func main() {
	debug.SetGCPercent(-1) // as in ktstr extract, which is over before a collection pays
	debug.SetMemoryLimit(1 << 30)
	text, err := read(os.Args[1])
	must(err)
	n, err := strconv.Atoi(os.Args[2])
	must(err)
	how := os.Args[3]
	w := new(extractors.Walker)
	for range n {
		if how == "new" {
			w = new(extractors.Walker)
		}
		var e ktstr.Extraction
		begin := time.Now()
		switch how {
		case "none":
		case "loop":
			open := 0
			for _, c := range text {
				if c == '[' {
					open++
				}
			}
			e.Metrics = []ktstr.Metric{{Value: float64(open)}}
		default:
			e, err = w.Extract(ktstr.Output{Stream: ktstr.Stdout, Data: text})
			must(err)
		}
		took := time.Since(begin)
		sum, size := 0.0, len(e.Metrics)*int(unsafe.Sizeof(ktstr.Metric{}))
		for i := range e.Metrics {
			sum += e.Metrics[i].Value
			size += len(e.Metrics[i].Name)
		}
		fmt.Println(len(e.Metrics), strconv.FormatFloat(sum, 'g', 17, 64), took.Nanoseconds(), size)
	}
}

// read is os.ReadFile as ktstr extract does it.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(huge.Pages(make([]byte, 0, int(info.Size())+bytes.MinRead)))
	_, err = b.ReadFrom(f)
	return b.Bytes(), err
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "walker:", err)
		os.Exit(1)
	}
}

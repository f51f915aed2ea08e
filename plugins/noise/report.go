package noise

import (
	"encoding/json"
	"math"
	"strconv"
)

// latency is the lateness of wake-ups, in ns.
type latency struct {
	Samples uint64 `json:"samples"`
	Min     uint64 `json:"min"`
	Mean    uint64 `json:"mean"`
	P50     uint64 `json:"p50"`
	P90     uint64 `json:"p90"`
	P99     uint64 `json:"p99"`
	P99_9   uint64 `json:"p99_9"`
	Max     uint64 `json:"max"`
}

func latencyOf(h *histogram) *latency {
	if h.samples == 0 {
		return nil // no measurement, and not a row of zeros
	}
	return &latency{
		Samples: h.samples,
		Min:     h.min,
		Mean:    h.sum / h.samples,
		P50:     h.quantile(500),
		P90:     h.quantile(900),
		P99:     h.quantile(990),
		P99_9:   h.quantile(999),
		Max:     h.max,
	}
}

// quietness lists the disturbances of one CPU, or of all. A number that could not be
// measured is nil and left out.
type quietness struct {
	Wakeup      *latency `json:"wakeup,omitempty"`
	Gaps        *gaps    `json:"gaps,omitempty"`
	Stolen      *percent `json:"stolen,omitempty"`
	Busy        *percent `json:"busy,omitempty"`
	Interrupts  *percent `json:"interrupts,omitempty"`
	Waited      *int64   `json:"waited,omitempty"`      // ns
	Involuntary *int64   `json:"involuntary,omitempty"` // context switches
}

type gaps struct {
	Count uint64 `json:"count"`
	Time  uint64 `json:"time"` // ns
}

// percent prints with two decimals: /proc/stat counts in ticks of 10 ms.
type percent float64

func (p percent) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Round(float64(p)*100)/100, 'f', -1, 64), nil
}

// perCPU keeps the order of the CPUs, which a map with text keys would lose.
type perCPU []struct {
	cpu int
	q   quietness
}

func (p perCPU) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, e := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, strconv.Itoa(e.cpu)), ':')
		text, err := json.Marshal(e.q)
		if err != nil {
			return nil, err
		}
		b = append(b, text...)
	}
	return append(b, '}'), nil
}

// document is the payload's output. The paths of its numbers are the names of the
// metrics. The help text explains them.
type document struct {
	Tool        string  `json:"tool"`
	Interrupted bool    `json:"interrupted"`
	Cpus        int     `json:"cpus"`
	Period      int64   `json:"period"`   // ns
	Duration    float64 `json:"duration"` // s
	quietness
	Switches *float64            `json:"switches,omitempty"` // per second
	IRQs     *float64            `json:"irqs,omitempty"`     // per second
	Pressure map[string]*percent `json:"pressure,omitempty"`
	Work     *work               `json:"work,omitempty"`
	CPU      perCPU              `json:"cpu"`
}

// newDocument makes the report of samplers that have ended. The counters were read before
// and after. elapsed is the time between the readings, in ns.
func newDocument(samplers []*sampler, period, elapsed int64, before, after counters) document {
	d := document{Tool: "ktstr-noise", Period: period}
	var all histogram
	var sum gaps
	var times [2]cpuTimes
	var switches, waited int64
	var began, ended int64
	counted := true
	for _, s := range samplers {
		if s.err != nil {
			continue
		}
		d.Cpus++
		q := quietness{Wakeup: latencyOf(&s.wakeup)}
		if q.Wakeup != nil {
			if began == 0 || s.began < began {
				began = s.began
			}
			ended = max(ended, s.ended)
			q.Gaps = &gaps{s.gaps, s.gapTime}
		}
		q.Involuntary = &s.switches
		if s.waited >= 0 {
			q.Waited = &s.waited
			waited += s.waited
		} else {
			counted = false
		}
		a, ok1 := before.cpu[s.cpu]
		b, ok2 := after.cpu[s.cpu]
		if ok1 && ok2 {
			q.setTimes(a, b)
			times[0], times[1] = addTimes(times[0], a), addTimes(times[1], b)
		}
		all.add(&s.wakeup)
		sum.Count += s.gaps
		sum.Time += s.gapTime
		switches += s.switches
		d.CPU = append(d.CPU, struct {
			cpu int
			q   quietness
		}{s.cpu, q})
	}
	d.Wakeup = latencyOf(&all)
	if d.Wakeup != nil {
		d.Gaps = &sum
		d.Duration = math.Round(float64(ended-began)/1e3) / 1e6
	}
	d.Involuntary = &switches
	if counted {
		d.Waited = &waited
	}
	d.setTimes(times[0], times[1])
	d.Switches = rate(before.switches, after.switches, elapsed)
	d.IRQs = rate(before.interrupts, after.interrupts, elapsed)
	for resource, v := range after.pressure {
		if old, ok := before.pressure[resource]; ok && elapsed > 0 {
			if d.Pressure == nil {
				d.Pressure = map[string]*percent{}
			}
			p := percent(float64(v-old) * 1e3 / float64(elapsed) * 100)
			d.Pressure[resource] = &p
		}
	}
	return d
}

// setTimes fills the times that the ticks between a and b give.
func (q *quietness) setTimes(a, b cpuTimes) {
	total := float64(b.total()) - float64(a.total())
	if total <= 0 {
		return // shorter than a tick
	}
	share := func(ticks uint64) *percent {
		p := percent(float64(int64(ticks)) / total * 100)
		return &p
	}
	q.Stolen = share(b.steal - a.steal)
	q.Busy = share(b.user - a.user + b.nice - a.nice + b.system - a.system)
	q.Interrupts = share(b.irq - a.irq + b.softirq - a.softirq)
}

func addTimes(a, b cpuTimes) cpuTimes {
	return cpuTimes{a.user + b.user, a.nice + b.nice, a.system + b.system, a.idle + b.idle,
		a.iowait + b.iowait, a.irq + b.irq, a.softirq + b.softirq, a.steal + b.steal}
}

// rate returns the events a second between two counts, nil where they were not
// counted.
func rate(before, after uint64, elapsed int64) *float64 {
	if before == 0 || after < before || elapsed <= 0 {
		return nil
	}
	r := math.Round(float64(after-before)/float64(elapsed)*1e9*10) / 10
	return &r
}

package fio

import (
	"math"
	"strings"

	"github.com/ktstr/ktstr"
)

// fio 2.17 to 3.25 drops a carry when it shortens a number: it prints 11,974 as
// "11.0k" and 9.998 MiB/s as "9.00MiB/s". So a number whose printed decimals are
// all 0 may be nearly one unit too small. The
// numbers next to it show that: the rate in the other unit, the amount and the
// time.

// A figure is a number of the text with the limits that its digits allow.
type figure struct {
	v     float64
	step  float64 // of the last digit
	whole float64 // of the last digit before the point
	carry bool    // the decimals are all 0
}

// newFigure reads "11.0k" with scale 1, "9.00" of "9.00MiB/s" with 1<<20.
func newFigure(text string, scale float64) (figure, bool) {
	v, ok := scaled(text)
	number := strings.TrimRight(text, "kKMGTPE")
	if number != text { // the scale of its own suffix
		plain, _ := parseNumber(number)
		if plain == 0 {
			return figure{}, false
		}
		scale *= v / plain
		v = plain
	}
	f := figure{v: v * scale, step: scale, whole: scale}
	if _, decimals, found := strings.Cut(number, "."); found {
		f.carry = strings.Trim(decimals, "0") == ""
		for range decimals {
			f.step /= 10
		}
	}
	return f, ok
}

// A limit is the least and the greatest value that a number may have.
type limit struct{ low, high float64 }

func (a limit) meets(b limit) bool { return a.low <= b.high && b.low <= a.high }

// printed is the limit for a number that was shortened rightly.
func (f figure) printed() limit { return limit{f.v - f.step, f.v + f.step} }

// lost is the limit for a number that lost its carry.
func (f figure) lost() limit { return limit{f.v + f.whole - f.step, f.v + f.whole} }

// per is the limit of a rate per second over a time in whole ms.
func (a limit) per(ms float64) limit {
	if ms <= 1 {
		return limit{0, a.high * 1e6}
	}
	return limit{a.low * 1000 / (ms + 1), a.high * 1000 / (ms - 1)}
}

// rates are the figures of a direction line.
type rates struct {
	iops, bw, other, amount figure
	bwUnit, otherUnit       string
	otherValue              float64
}

// newRates reads the figures of "IOPS=11.0k, BW=11.0MiB/s (12.6MB/s)(140MiB/3001msec)".
// It returns nil if a number cannot be read, or if none may be shortened wrongly.
func newRates(iops, bw, other, amount, bwUnit, amountUnit string) *rates {
	p := &rates{bwUnit: bwUnit}
	read := func(text string) string { return text[:len(text)-len(strings.TrimLeft(text, "0123456789."))] }
	var ok, unitOK bool
	var unit string
	p.otherValue, unit, ok = numberWithUnit(other)
	p.otherUnit, unitOK = rateUnit(unit)
	if !ok || !unitOK {
		return nil
	}
	var oks [4]bool
	p.iops, oks[0] = newFigure(iops, 1)
	p.bw, oks[1] = newFigure(read(bw), unitScale(bwUnit))
	p.other, oks[2] = newFigure(read(other), unitScale(p.otherUnit))
	p.amount, oks[3] = newFigure(read(amount), unitScale(amountUnit))
	if oks != [4]bool{true, true, true, true} || !p.iops.carry && !p.bw.carry && !p.other.carry && !p.amount.carry {
		return nil
	}
	if strings.Contains(bwUnit, "bit") && !strings.Contains(amountUnit, "bit") { // rates in bits, the amount in bytes
		const bits = 8
		for _, f := range []*figure{&p.bw, &p.other} {
			f.v, f.step, f.whole = f.v/bits, f.step/bits, f.whole/bits
		}
	}
	return p
}

// dropsCarry reports whether a version may shorten numbers wrongly.
func (v version) dropsCarry() bool { return v.text == "" || !v.before(2, 17) && v.before(3, 26) }

// check takes the rates of a row that are consistent. p are its figures.
func (p *rates) check(r *row, job string, op int, notes *notes) {
	amount := p.amount.printed()
	if p.amount.carry {
		amount.high = p.amount.lost().high
	}
	measured := amount.per(r.runtime.v)
	p.checkBandwidth(r, job, op, measured, notes)
	if p.iops.carry && r.totalIOs.ok() && r.runtime.v > 0 {
		count := limit{r.totalIOs.v, r.totalIOs.v}.per(r.runtime.v)
		if !p.iops.printed().meets(count) && p.iops.lost().meets(count) {
			notes.add(ktstr.Malformed, r.iops.line, "fio shortened the IOPS of job %q (%s) wrongly: the I/Os over the time are given", job, opNames[op])
			r.iops.v = math.Round(r.totalIOs.v*1000/r.runtime.v*1e6) / 1e6 // the digits of fio's JSON
		}
	}
	if p.amount.carry && r.bw.ok() && p.bw.v > 0 && r.runtime.v > 1 {
		low, high := p.bw.v-p.bw.step, p.bw.v+p.bw.step
		if r.bw.unit == p.otherUnit {
			low, high = p.other.v-p.other.step, p.other.v+p.other.step
		}
		moved := limit{low * (r.runtime.v - 1) / 1000, high * (r.runtime.v + 1) / 1000}
		if !p.amount.printed().meets(moved) && p.amount.lost().meets(moved) {
			notes.add(ktstr.Malformed, r.ioBytes.line, "fio shortened the amount of job %q (%s) wrongly: it is between %.4g and %.4g B, and is left out", job, opNames[op], p.amount.lost().low, p.amount.lost().high)
			r.ioBytes = num{}
		}
	}
}

// checkBandwidth chooses between the two rates that a direction line has.
func (p *rates) checkBandwidth(r *row, job string, op int, measured limit, notes *notes) {
	switch {
	case !p.bw.carry && !p.other.carry:
	case p.bw.printed().meets(p.other.printed()):
		if p.bw.carry && !p.bw.printed().meets(measured) && p.bw.lost().meets(measured) {
			notes.add(ktstr.Malformed, r.bw.line, "fio shortened the bandwidth of job %q (%s) wrongly: it is between %.4g and %.4g B/s, and is left out", job, opNames[op], p.bw.lost().low, p.bw.lost().high)
			r.bw = num{}
		}
	case p.bw.carry && p.bw.lost().meets(p.other.printed()):
		notes.add(ktstr.Malformed, r.bw.line, "fio shortened one bandwidth of job %q (%s) wrongly: the other one, in %s, is given", job, opNames[op], p.otherUnit)
		r.bw = num{p.otherValue, p.otherUnit, r.bw.line}
	}
}

// unitScale is the number of bytes (or bits) of a unit such as "MiB/s".
func unitScale(unit string) float64 {
	prefix := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(unit, "/s"), "B"), "bit")
	base := 1000.0
	if strings.HasSuffix(prefix, "i") {
		base, prefix = 1024, prefix[:len(prefix)-1]
	}
	scale := 1.0
	for range strings.Index(" KMGTPE", strings.ToUpper(prefix + " ")[:1]) {
		scale *= base
	}
	return scale
}

// countsThousands reports whether fio up to 2.16 counted the amount in powers of 1000
// (kb_base=1000), although it prints the same letters, "KB". One I/O then has a whole
// number of sectors, and with powers of 1024 it has not.
func (r *row) countsThousands() bool {
	const sector, sharp = 512, 64
	size := limit{(r.old.v - r.old.step) / r.totalIOs.v, (r.old.v + r.old.step) / r.totalIOs.v}
	fits := func(factor float64) bool {
		return math.Floor(size.high*factor/sector)*sector >= size.low*factor
	}
	unit := r.ioBytes.unit
	return r.totalIOs.positive() && size.high-size.low < sharp && !fits(1) && fits(unitScale(thousands(unit))/unitScale(unit))
}

// toThousands gives a row the units of kb_base=1000. The samples of the bandwidth are
// always KiB/s, which fio divides by 1000 if they are large.
func (r *row) toThousands(job string, op int, notes *notes) {
	r.ioBytes.unit, r.bw.unit = thousands(r.ioBytes.unit), thousands(r.bw.unit)
	if unit := r.bwStats.mean.unit; unit != "" && !strings.HasPrefix(unit, "Ki") {
		notes.add(ktstr.Malformed, r.bwStats.mean.line, "the samples of the bandwidth of job %q (%s) are in units of 1000 KiB/s and were left out", job, opNames[op])
		r.bwStats = stats{}
	}
}

// thousands makes kB of KiB, and MB of MiB.
func thousands(unit string) string {
	if len(unit) > 1 && unit[1] == 'i' {
		return strings.Replace(unit[:1], "K", "k", 1) + unit[2:]
	}
	return unit
}

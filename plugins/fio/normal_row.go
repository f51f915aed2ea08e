package fio

import (
	"strings"
)

// newRow reads the numbers behind the name of a direction, as fio 3 prints them. For example:
// "IOPS=18.4k, BW=72.1MiB/s (75.6MB/s)(512MiB/7105msec)".
func newRow(text string, line int) (r row, ok bool) {
	value := func(name, end string) (v string) {
		if !ok {
			return ""
		}
		if text, ok = strings.CutPrefix(text, name); ok {
			v, text, ok = strings.Cut(text, end)
		}
		return v
	}
	ok = true
	iops := value("IOPS=", ", ")
	bw := value("BW=", " (")
	other := value("", ")(")
	amount := value("", "/")
	time := value("", "msec)")
	if !ok {
		return row{}, false
	}
	r = row{line: line, measured: true}
	v, ok1 := scaled(iops)
	r.iops = num{v, "iops", line}
	v, unit, ok2 := numberWithUnit(bw)
	unit, ok3 := rateUnit(unit)
	r.bw = num{v, unit, line}
	v, amountUnit, ok4 := numberWithUnit(amount)
	r.ioBytes = num{v, amountUnit, line}
	v, ok5 := scaled(time)
	r.runtime = num{v, "ms", line}
	if r.iops.v == 0 && r.bw.v == 0 && r.ioBytes.v == 0 {
		// Up to 3.33 at least, fio prints zeros for the sum of
		// unified_rw_reporting=both, above latencies that are right.
		r.iops, r.bw, r.ioBytes = num{}, num{}, num{}
	} else {
		r.printed = newRates(iops, bw, other, amount, unit, amountUnit)
	}
	return r, ok1 && ok2 && ok3 && ok4 && ok5 && isAmountUnit(amountUnit)
}

// rateUnit completes the unit of a mixed direction, which fio prints as "Mi",
// and refuses a text that is not the unit of a rate.
func rateUnit(text string) (string, bool) {
	amount, perSecond := strings.CutSuffix(text, "/s")
	if !perSecond && !strings.HasSuffix(amount, "B") {
		amount += "B"
	}
	return amount + "/s", isAmountUnit(amount)
}

// isAmountUnit knows B, kB, KiB, bit, kbit, Kibit and so on.
func isAmountUnit(unit string) bool {
	prefix, ok := strings.CutSuffix(unit, "B")
	if !ok {
		prefix, ok = strings.CutSuffix(unit, "bit")
	}
	prefix = strings.TrimSuffix(prefix, "i")
	return ok && (prefix == "" || len(prefix) == 1 && strings.Contains("kKMGTPE", prefix))
}

func oldRow(text string, line int) (r row, ok bool) {
	fields := map[string]string{}
	for _, f := range strings.Split(text, ",") {
		if key, value, ok := strings.Cut(strings.TrimSpace(f), "="); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	r = row{line: line, measured: true}
	v, unit, ok1 := numberWithUnit(fields["io"])
	r.ioBytes = num{v, oldUnit(unit), line}
	r.old, _ = newFigure(strings.TrimSuffix(fields["io"], unit), unitScale(r.ioBytes.unit))
	v, rate, ok2 := numberWithUnit(fields["bw"])
	rate, isRate := strings.CutSuffix(rate, "/s")
	if len(rate) < 2 { // the sum of all clients has "M/s"
		rate += "B"
	}
	r.bw = num{v, oldUnit(rate) + "/s", line}
	v, ok3 := scaled(fields["iops"])
	r.iops = num{v, "iops", line}
	time, isTime := strings.CutSuffix(fields["runt"], "msec")
	v, ok4 := scaled(strings.TrimSpace(time))
	r.runtime = num{v, "ms", line}
	return r, ok1 && ok2 && ok3 && ok4 && isTime && isRate && isAmountUnit(unit) && isAmountUnit(rate)
}

// oldUnit spells out that up to 2.16 "KB", "MB" and "Mbit" were powers of 1024.
func oldUnit(unit string) string {
	if len(unit) > 1 && unit[1] != 'i' && strings.IndexByte("KkMGTP", unit[0]) >= 0 {
		return strings.ToUpper(unit[:1]) + "i" + unit[1:]
	}
	return unit
}

// latencyUnit returns the unit for fio's word, such as ns for nsec, or "".
func latencyUnit(word string) string {
	switch word {
	case "nsec":
		return "ns"
	case "usec":
		return "us"
	case "msec":
		return "ms"
	case "sec":
		return "s"
	}
	return ""
}

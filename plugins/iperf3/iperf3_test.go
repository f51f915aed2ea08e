package iperf3

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ktstr/ktstr"
	"github.com/ktstr/ktstr/plugins/internal/corpustest"
)

// read returns the metrics and diagnostics of a text.
func read(out ktstr.Output) string {
	e, err := parse(out)
	var parts []string
	for _, m := range e.Metrics {
		parts = append(parts, fmt.Sprintf("%s=%v %s", m.Name, m.Value, m.Unit))
	}
	for _, d := range e.Diagnostics {
		parts = append(parts, "!"+string(d.Code))
	}
	if err != nil {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, "; ")
}

func TestText(t *testing.T) {
	const (
		head    = "Connecting to host a, port 5201\n[  5] local 127.0.0.1 port 1 connected to 127.0.0.1 port 2\n"
		dashes  = "- - - - - - - - -\n[ ID] Interval           Transfer     Bitrate         Retr\n"
		sent    = "[  5]   0.00-2.00   sec  5.54 GBytes  23.8 Gbits/sec   23             sender\n"
		got     = "[  5]   0.00-2.00   sec  5.50 GBytes  23.7 Gbits/sec                  receiver\n"
		done    = "\niperf Done.\n"
		metrics = "sent.bw=23.8 Gbit/s; sent.bytes=5.54 GiB; retransmits=23 count; received.bw=23.7 Gbit/s; received.bytes=5.5 GiB"
	)
	five := 1
	for _, c := range []struct{ name, text, want string }{
		{"a summary", head + dashes + sent + got + done, metrics},
		{"time stamps", strings.ReplaceAll(head+dashes+sent+got, "[  5]", "Mon Nov 30 07:57:11 2026 [  5]") + done, metrics},
		{"without Retr", head + dashes + strings.Replace(sent, "   23   ", "        ", 1) + got + done, strings.Replace(metrics, "retransmits=23 count; ", "", 1)},
		{"the CPU of -V", head + dashes + sent + got + "CPU Utilization: local/sender 2.2% (0.1%u/2.1%s), remote/receiver 0.0% (0.0%u/0.0%s)\n" + done,
			"cpu.host.total=2.2 %; cpu.host.user=0.1 %; cpu.host.system=2.1 %; " + metrics},
		{"the server's report behind the client's", head + dashes + sent + got + "\nServer output:\nAccepted connection from a, port 1\n" + dashes + strings.ReplaceAll(got, "5.50", "9.99") + done, metrics},
		{"the server's log of two tests", "Server listening on 5201\nAccepted connection from a, port 1\n" + dashes + strings.ReplaceAll(got, "23.7", "1") + "Accepted connection from a, port 1\n" + dashes + got,
			"received.bw=23.7 Gbit/s; received.bytes=5.5 GiB; !missing-headline; !several-reports"},
		{"no row of the receiver", head + dashes + sent + done, "sent.bw=23.8 Gbit/s; sent.bytes=5.54 GiB; retransmits=23 count; !missing-headline"},
		{"cut in a row", head + dashes + sent + strings.TrimSuffix(got, "ver\n"), "sent.bw=23.8 Gbit/s; sent.bytes=5.54 GiB; retransmits=23 count; !missing-headline; !truncated"},
		{"cut before the sum of two streams", head + "[  7] local 127.0.0.1 port 3 connected to 127.0.0.1 port 2\n" + dashes + sent + got,
			"stream.1.sent.bw=23.8 Gbit/s; stream.1.retransmits=23 count; stream.1.received.bw=23.7 Gbit/s; !missing-headline; !missing-headline; !truncated"},
		{"only intervals", head + "[ ID] Interval           Transfer     Bitrate         Retr  Cwnd\n[  5]   0.00-1.00   sec  2.80 GBytes  24.0 Gbits/sec   20    895 KBytes\n", "!no-metrics"},
		{"all datagrams lost", head + dashes + "[  5]   0.00-1.00   sec  0.00 Bytes  0.00 bits/sec  0.000 ms  58/58 (100%)  receiver\n" + done,
			"lost.packets=58 count; packets=58 count; lost.percent=100 %; !not-measured; !missing-headline"},
		{"no datagram", head + dashes + "[  5]   0.00-1.00   sec  0.00 Bytes  0.00 bits/sec  0.000 ms  0/0 (-nan%)  receiver\n" + done, "!not-measured; !not-measured; !missing-headline; !no-metrics"},
		{"an error on stderr", "iperf3: error - unable to connect to server: Connection refused\n", "!tool-failed"},
		{"another tool", "hello\n", "!not-my-format"},
		{"bytes of -f K", head + dashes + strings.ReplaceAll(sent+got, "Gbits", "KBytes") + done, strings.ReplaceAll(metrics, "Gbit", "KiB")},
	} {
		if got := read(ktstr.Output{Data: []byte(c.text)}); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	if got, want := read(ktstr.Output{Data: []byte(head + dashes + sent + got + done), ExitCode: &five}), metrics+"; !interrupted"; got != want {
		t.Errorf("exit status 1: got %s, want %s", got, want)
	}
}

func TestJSON(t *testing.T) {
	const (
		sum  = `"sum_sent":{"bytes":8,"bits_per_second":64,"seconds":1,"retransmits":0},"sum_received":{"bytes":8,"bits_per_second":63,"seconds":1}`
		udp  = `{"bytes":8,"bits_per_second":64,"seconds":1,"jitter_ms":0.5,"lost_packets":1,"packets":4,"lost_percent":25}`
		want = "sent.bw=64 bit/s; sent.bytes=8 B; sent.time=1 s; retransmits=0 count; received.bw=63 bit/s; received.bytes=8 B; received.time=1 s"
	)
	for _, c := range []struct{ name, text, want string }{
		{"one line", `{"start":{"version":"iperf 3.12"},"end":{` + sum + "}}", want},
		{"events", `{"event":"start","data":{"version":"iperf 3.17"}}` + "\n" + `{"event":"interval","data":{"sum":{"bytes":1}}}` + "\n" + `{"event":"end","data":{` + sum + "}}\n", want},
		{"events and the whole document behind them", `{"event":"end","data":{"sum_sent":{"bytes":1}}}` + "\n{\n\"start\":{},\n\"end\":{" + sum + "}\n}\n", want + "; !missing-headline; !missing-headline"},
		{"an event of an error", `{"event":"error","data":"no route"}`, "!tool-failed"},
		{"a server's output inside", `{"start":{},"end":{` + sum + `},"server_output_json":{"start":{},"end":{"sum_sent":{"bytes":9,"bits_per_second":1}}}}`, want},
		{"UDP up to 3.6", `{"start":{},"end":{"sum":` + udp + `}}`,
			"sent.bw=64 bit/s; sent.bytes=8 B; sent.time=1 s; jitter=0.5 ms; lost.packets=1 count; lost.percent=25 %; packets=4 count"},
		{"UDP, interrupted", `{"start":{},"error":"interrupt","end":{"sum":{"bytes":8,"bits_per_second":64,"jitter_ms":0,"lost_packets":0,"packets":4,"lost_percent":0}}}`,
			"sent.bw=64 bit/s; sent.bytes=8 B; !not-measured; !interrupted"},
		{"two documents", `{"start":{},"end":{"sum_sent":{"bytes":1,"bits_per_second":1},"sum_received":{"bytes":0}}}` + "\n" + `{"start":{},"end":{` + sum + `}}`, want + "; !not-measured; !several-reports"},
		{"a cut document", "{\n\t\"start\": {},\n", "!malformed; !no-metrics"},
		{"iperf 4", `{"start":{"version":"iperf 4.0"},"end":{` + sum + "}}", want + "; !unsupported-version"},
		{"another document", `{"a":1}`, "!not-my-format"},
		{"numbers that are text", `{"start":{},"end":{"sum_sent":{"bytes":"8","bits_per_second":null},"sum_received":[]}}`, "!missing-headline; !missing-headline; !no-metrics"},
	} {
		got := read(ktstr.Output{Data: []byte(c.text)})
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Hostile text takes time in proportion to its length.
func TestLinear(t *testing.T) {
	corpustest.Linear(t, New(), "{\n", "{\"event\":\"end\",\"data\":{}}\n", "{}\n}\n", "- - - \n", "[  5] local \n", "[", "[SUM]   0.00-2.00   sec  1 Bytes  1 bits/sec  1 sender\n",
		"- - - \n[  5]   0.00-2.00   sec  1 Bytes  1 bits/sec  1 sender\n", "iperf3: \n", "CPU Utilization: a/")
}

func long(text []byte, at, piece string) []byte {
	before, after, _ := strings.Cut(string(text), at)
	return []byte(before + strings.Repeat(piece, 16<<20/len(piece)) + at + after)
}

// BenchmarkText reads the intervals of 16 MiB of text, and the summary behind them.
func BenchmarkText(b *testing.B) {
	text := corpustest.Read(b, "testdata/corpus/tcp-text", "stdout")
	corpustest.Bench(b, New(), long(text, "- - -", "[  5]   0.00-1.00   sec  2.80 GBytes  24.0 Gbits/sec   20    895 KBytes       \n"))
}

// BenchmarkJSON reads a document with 16 MiB of intervals.
func BenchmarkJSON(b *testing.B) {
	text := corpustest.Read(b, "testdata/corpus/tcp-json", "stdout")
	_, intervals, _ := bytes.Cut(text, []byte("\"intervals\":\t["))
	piece, _, _ := bytes.Cut(intervals, []byte("],\n\t\"end\""))
	corpustest.Bench(b, New(), long(text, string(piece), string(piece)+",\n"))
}

package spawn

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's counters of a process keep their meaning and get plain units.
func TestUsageOf(t *testing.T) {
	got := usageOf(&unix.Rusage{
		Utime: unix.Timeval{Sec: 1, Usec: 2}, Stime: unix.Timeval{Sec: 3, Usec: 4},
		Nvcsw: 5, Nivcsw: 6, Minflt: 7, Majflt: 8, Inblock: 9, Oublock: 10, Maxrss: 11,
	})
	want := Usage{
		User: time.Second + 2*time.Microsecond, System: 3*time.Second + 4*time.Microsecond,
		Voluntary: 5, Involuntary: 6, MinorFaults: 7, MajorFaults: 8, BytesRead: 9 * 512, BytesWritten: 10 * 512, MaxRSS: 11 << 10,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

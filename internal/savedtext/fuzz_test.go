package savedtext

import (
	"bytes"
	"testing"
)

// Cleaning keeps the number of lines, never makes a text longer, and does not change
// its input.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{
		report, prefix("> [pod/a/b] "), "a-1  | x\nb-1  | y\n", "\x1b[32mx\x1b[0m\r\n", "\xff\xfea\x00\n\x00",
		"1764450728 x\ry\n", "ok: [n] => {\n \"msg\": [\n  \"a\"\n ]\n}\n", "-- x\nNov 29 21:12:08 n a[1]: x\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		decoded, _ := Decode(data)
		lines := bytes.Count(decoded.Data, []byte("\n"))
		for _, r := range Clean(decoded).Readings {
			if n := bytes.Count(r.Data, []byte("\n")); n != lines || len(r.Data) > len(decoded.Data) {
				t.Errorf("%d lines, %d bytes: want %d lines and at most %d bytes", n, len(r.Data), lines, len(decoded.Data))
			}
			r.PrefixesOnly(data)
		}
		if joined, wrapped := Rewrapped(decoded.Data); wrapped > 0 && bytes.Count(joined, []byte("\n")) != lines {
			t.Errorf("joined: %d lines: want %d", bytes.Count(joined, []byte("\n")), lines)
		}
		if !bytes.Equal(before, data) {
			t.Error("the input changed")
		}
	})
}

func BenchmarkClean(b *testing.B) {
	text := bytes.Repeat([]byte("rd: (groupid=0, jobs=1): err= 0: pid=1: read IOPS=4801\n"), 20000)
	for name, data := range map[string][]byte{
		"clean":   text,
		"compose": bytes.ReplaceAll(append([]byte("\n"), text...), []byte("\n"), []byte("\nfio-1  | ")),
		"colours": bytes.ReplaceAll(text, []byte("\n"), []byte("\x1b[0m\n\x1b[32m")),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				decoded, _ := Decode(data)
				Clean(decoded)
			}
		})
	}
}

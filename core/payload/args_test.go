package payload_test

import (
	"testing"

	"github.com/ktstr/ktstr/core/payload"
)

// C4
func TestCheckFlagsNamesTheNearestKnownFlag(t *testing.T) {
	p := payload.Payload{Name: "fio-x", Flags: []string{"--rw", "--runtime"}}
	refused := func(want string, args ...string) {
		t.Helper()
		err := p.CheckFlags(args)
		if got := errorText(err); got != want {
			t.Errorf("CheckFlags(%q): got %q, want %q", args, got, want)
		}
	}
	refused("", "--rw", "read", "--runtime=3", "-x", "plain", "-", "--", "--anything")
	refused("payload fio-x: flag --runtme: not one that it takes: did you mean --runtime?", "--rw", "--runtme=3")
	refused("payload fio-x: flag --bandwidth: not one that it takes: want one of --rw --runtime", "--bandwidth")
	p.Flags = nil
	refused("", "--whatever")
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestExpandReplacesPlaceholders(t *testing.T) {
	p := payload.Payload{Outputs: []payload.OutputFile{{Name: "y", Path: "m.yaml"}}}
	path := func(o payload.OutputFile) string { return "/s/" + o.Path }
	if got, want := p.Expand(`a={scratch} {outputs.y} {"x":{scratch}} {other}`, "/s", path), `a=/s /s/m.yaml {"x":/s} {other}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for want, p := range map[bool]payload.Payload{
		true: {Args: []string{"-d{scratch}"}}, false: {Args: []string{"{x}"}, Dir: payload.DirCaller},
	} {
		if p.NeedsScratch() != want {
			t.Errorf("%+v: NeedsScratch is %v", p, !want)
		}
	}
}

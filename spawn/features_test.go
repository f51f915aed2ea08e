package spawn

import "testing"

func TestFeatures(t *testing.T) {
	for _, f := range Features() {
		t.Logf("%-28s %v: %s", f.Name, f.Present, f.Detail)
		if f.Present != (f.Consequence == "") {
			t.Errorf("%s: present %v with consequence %q", f.Name, f.Present, f.Consequence)
		}
		if f.Required && !f.Present {
			t.Errorf("%s: %s", f.Name, f.Consequence)
		}
		if want := f.Name == "pidfd" || f.Name == "wait by pidfd"; f.Required != want {
			t.Errorf("%s: required %v, want %v", f.Name, f.Required, want)
		}
	}
}

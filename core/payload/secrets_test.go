package payload_test

import (
	"strings"
	"testing"

	"github.com/ktstr/ktstr/core/payload"
)

const withSecrets = `name: x
summary: x
binary: x
env: {API_TOKEN: tok-value, db_password: pass-value, PASSWDFILE: file-value, AWS_KEY_ID: key-value, MY_SECRETS: many-value, PLAIN: plain-value, KEYS: keys-value, DSN: dsn-value}
secrets: [DSN]
`

func TestSecretValuesAreNotWritten(t *testing.T) {
	p, err := payload.Parse("x.yaml", []byte(withSecrets))
	if err != nil {
		t.Fatal(err)
	}
	if !p.HasSecrets() || (payload.Payload{Env: map[string]string{"PLAIN": "x"}}).HasSecrets() {
		t.Error("HasSecrets is wrong")
	}
	text, err := p.MarshalYAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := payload.Parse("x.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range p.Env {
		want, hidden := payload.Hidden, payload.Hidden
		if name == "PLAIN" || name == "KEYS" {
			want, hidden = value, value
		}
		if strings.Contains(string(text), value) != (want == value) || again.Env[name] != want {
			t.Errorf("%s: written as %q, want %q, in\n%s", name, again.Env[name], want, text)
		}
		if got, want := p.HideSecrets("a "+value+" b"), "a "+hidden+" b"; got != want {
			t.Errorf("%s: HideSecrets gives %q, want %q", name, got, want)
		}
	}
	if len(again.Secrets) != 1 || again.Secrets[0] != "DSN" {
		t.Errorf("secrets %q, want DSN", again.Secrets)
	}
}

// A short value would match text that has nothing to do with it.
func TestHideSecretsKeepsShortValues(t *testing.T) {
	p := payload.Payload{Env: map[string]string{"PASSWORD": "1", "TOKEN": ""}}
	if got, want := p.HideSecrets("exit code 1: want 0"), "exit code 1: want 0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// The longest value first: one secret may begin with another one.
	p = payload.Payload{Env: map[string]string{"A_TOKEN": "abcd", "B_TOKEN": "abcdefgh"}}
	if got, want := p.HideSecrets("abcdefgh"), payload.Hidden; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrorsDoNotShowSecretValues(t *testing.T) {
	p := payload.Payload{Name: "x", Summary: "x", Binary: "x", Env: map[string]string{"TOKEN": "tok-value\x00"}}
	if err := p.Validate(); err == nil || strings.Contains(err.Error(), "tok-value") {
		t.Errorf("got %v, want an error without the value", err)
	}
}

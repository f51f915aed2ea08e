package payload

import (
	"cmp"
	"slices"
	"strings"
)

// Hidden stands for the value of a secret wherever it is written or printed.
const Hidden = "(secret)"

// IsSecret reports whether the value of an environment variable must not be written:
// it is in p.Secrets, or its name contains TOKEN, SECRET, PASSWORD, PASSWD or _KEY in
// upper or lower case. For example, API_TOKEN and aws_key_id are secrets.
func (p Payload) IsSecret(name string) bool {
	if slices.Contains(p.Secrets, name) {
		return true
	}
	upper := strings.ToUpper(name)
	return slices.ContainsFunc([]string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "_KEY"}, func(part string) bool {
		return strings.Contains(upper, part)
	})
}

// HasSecrets reports whether p.Env has a secret.
func (p Payload) HasSecrets() bool {
	for name := range p.Env {
		if p.IsSecret(name) {
			return true
		}
	}
	return false
}

// shownEnv returns p.Env with Hidden in place of the values of secrets.
func (p Payload) shownEnv() map[string]string {
	if p.Env == nil {
		return nil
	}
	shown := make(map[string]string, len(p.Env))
	for name, value := range p.Env {
		if p.IsSecret(name) {
			value = Hidden
		}
		shown[name] = value
	}
	return shown
}

// hideIn returns a list with HideSecrets applied to each text.
func (p Payload) hideIn(list []string) []string {
	shown := make([]string, len(list))
	for i := range list {
		shown[i] = p.HideSecrets(list[i])
	}
	return shown
}

// HideSecrets replaces the values of secrets in a text, such as the end of stderr in a
// message. It keeps values of fewer than 4 bytes. A password "1", for example, would
// match any other 1.
func (p Payload) HideSecrets(text string) string {
	var values []string
	for name, value := range p.Env {
		if p.IsSecret(name) && len(value) >= 4 && strings.Contains(text, value) {
			values = append(values, value)
		}
	}
	// The longest first, because one value may contain another one.
	slices.SortFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, value := range values {
		text = strings.ReplaceAll(text, value, Hidden)
	}
	return text
}

package core

import "github.com/ktstr/ktstr/core/payload"

// hideSecrets replaces the values of p's secrets in the texts of the record. The end of
// stderr in a message, for example, can contain a password that the payload printed.
func (r *Record) hideSecrets(p payload.Payload) {
	hide := func(list []string) []string {
		for i := range list {
			list[i] = p.HideSecrets(list[i])
		}
		return list
	}
	r.Argv, r.Notices = hide(r.Argv), hide(r.Notices)
	r.Extraction.Error = p.HideSecrets(r.Extraction.Error)
	for i := range r.Extraction.Diagnostics {
		d := &r.Extraction.Diagnostics[i]
		d.Message = p.HideSecrets(d.Message)
	}
	for i := range r.Details {
		d := &r.Details[i]
		d.Message = p.HideSecrets(d.Message)
	}
}

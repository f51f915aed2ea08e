package export

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ktstr/ktstr/internal/runs"
	"github.com/ktstr/ktstr/internal/text"
)

// Gateway checks the address of a Pushgateway, such as http://metrics.lab:9091. Errors do not
// contain the address, because it may contain a password.
func Gateway(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("want the address of a Pushgateway, such as http://localhost:9091")
	}
	return u, nil
}

// pushTimeout bounds one request.
const pushTimeout = 30 * time.Second

// Push sends the openmetrics format to a Pushgateway. Each payload on each host is a group of
// its own, so that a push replaces the numbers of this payload on this host only. The group of
// a comparison is job ktstr_compare.
func Push(ctx context.Context, gateway *url.URL, s Source) error {
	type group struct{ payload, host string }
	var order []group
	of := map[group][]runs.Run{}
	if s.Report == nil {
		for _, r := range s.Runs {
			g := group{r.Record.Payload, runs.Host(r.Record)}
			if of[g] == nil {
				order = append(order, g)
			}
			of[g] = append(of[g], r)
		}
	}
	for _, g := range order {
		if err := push(ctx, gateway, Source{Runs: of[g]}, "job", "ktstr", "instance", g.host, "payload", g.payload); err != nil {
			return err
		}
	}
	reports := s.Comparisons
	if s.Report != nil {
		reports = append(reports, *s.Report)
	}
	for _, r := range reports {
		if err := push(ctx, gateway, Source{Report: &r}, "job", "ktstr_compare", "a", r.A.Name, "b", r.B.Name); err != nil {
			return err
		}
	}
	return nil
}

// push sends s to one group. labels are the names and values of its key.
func push(ctx context.Context, gateway *url.URL, s Source, labels ...string) error {
	var body bytes.Buffer
	if err := Write(&body, "openmetrics", s); err != nil {
		return err
	}
	// In base64, because a value may contain a slash or be empty.
	path := []string{"metrics"}
	for i := 0; i < len(labels); i += 2 {
		value := base64.RawURLEncoding.EncodeToString([]byte(strings.ToValidUTF8(labels[i+1], "\uFFFD")))
		if value == "" {
			value = "="
		}
		path = append(path, labels[i]+"@base64", value)
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, gateway.JoinPath(path...).String(), &body)
	if err != nil {
		return errors.New("the address is not valid")
	}
	request.Header.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	// A redirection could send the password to another host.
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err // the outer error has the address
		}
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		const most = 300
		answer, _ := io.ReadAll(io.LimitReader(response.Body, most)) // only for the message
		return fmt.Errorf("the gateway answers %s: %s", response.Status, text.Line(strings.TrimSpace(string(answer))))
	}
	return nil
}
